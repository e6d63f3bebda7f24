"""Every public format that can be read as its publisher distributes it: the one table of them."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.datasets.format import Format
from simulator.datasets.formats import (
    adressa,
    amazon_ratings,
    amazon_reviews,
    diginetica,
    douban,
    ebnerd,
    epinions,
    fliggy,
    foursquare,
    globo,
    goodreads,
    gowalla,
    hm,
    kuairand,
    kuairec,
    lastfm,
    mind,
    movielens,
    otto,
    retailrocket,
    steam,
    taobao,
    thirty_music,
    tianchi_mobile,
    tmall,
    xing,
    yelp,
    yoochoose,
)
from simulator.datasets.formats.unreadable import UNREADABLE

FORMATS: Mapping[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        adressa,
        amazon_ratings,
        amazon_reviews,
        diginetica,
        douban,
        ebnerd,
        epinions,
        fliggy,
        foursquare,
        globo,
        goodreads,
        gowalla,
        hm,
        kuairand,
        kuairec,
        lastfm,
        mind,
        movielens,
        otto,
        retailrocket,
        steam,
        taobao,
        thirty_music,
        tianchi_mobile,
        tmall,
        xing,
        yelp,
        yoochoose,
    )
}
"""Name of the format -> what it is."""

__all__ = ["FORMATS", "UNREADABLE"]
