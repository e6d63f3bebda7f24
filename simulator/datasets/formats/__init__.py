"""Every public format that can be read as its publisher distributes it: the one table of them."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.datasets.format import Format
from simulator.datasets.formats import (
    amazon_ratings,
    amazon_reviews,
    diginetica,
    globo,
    gowalla,
    movielens,
    retailrocket,
    steam,
    taobao,
    yelp,
    yoochoose,
)

FORMATS: Mapping[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        amazon_ratings,
        amazon_reviews,
        diginetica,
        globo,
        gowalla,
        movielens,
        retailrocket,
        steam,
        taobao,
        yelp,
        yoochoose,
    )
}
"""Name of the format -> what it is."""

__all__ = ["FORMATS"]
