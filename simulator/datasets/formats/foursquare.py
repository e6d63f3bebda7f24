"""Foursquare check-ins: New York and Tokyo, and the whole world."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.item_table import ItemTable

TIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d{2} \d\d:\d\d:\d\d [+-]\d{4} \d{4}"
PATTERN = "%a %b %d %H:%M:%S %z %Y"
VENUE = r"[0-9a-f]{24}"


def _city(title: str, *columns: str, separator: str) -> Delimited:
    user, venue, _, category, *_, time = columns
    return Delimited(
        title=title,
        columns=columns,
        separator=separator,
        header=separator == ",",
        quoted=separator == ",",
        user=user,
        item=venue,
        time=time,
        unit=PATTERN,
        event="checkin",
        category=category,
        signs={time: TIME, venue: VENUE},
        note="the two cities number their users apart: user 1 of New York is not user 1 of Tokyo",
    )


FORMAT = Format(
    name="foursquare",
    title="Foursquare check-ins",
    source='D. Yang et al., "Modeling user activity preference by leveraging user spatial temporal characteristics in '
    'LBSNs", IEEE TSMC 2015; D. Yang et al., "Participatory cultural mapping based on collective behavior data in '
    'location-based social networks", ACM TIST 2016',
    layouts=(
        _city(
            "Foursquare dataset_TSMC2014_NYC.txt or _TKY.txt",
            "user",
            "venue",
            "category_id",
            "category",
            "latitude",
            "longitude",
            "offset",
            "time",
            separator="\t",
        ),
        _city(
            "Foursquare TSMC 2014 of Kaggle",
            "userId",
            "venueId",
            "venueCategoryId",
            "venueCategory",
            "latitude",
            "longitude",
            "timezoneOffset",
            "utcTimestamp",
            separator=",",
        ),
        Delimited(
            title="Foursquare dataset_TIST2015_Checkins.txt",
            columns=("user", "venue", "time", "offset"),
            separator="\t",
            header=False,
            quoted=False,
            user="user",
            item="venue",
            time="time",
            unit=PATTERN,
            event="checkin",
            signs={"time": TIME, "venue": VENUE},
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="Foursquare dataset_TIST2015_POIs.txt",
                columns=("venue", "latitude", "longitude", "category", "country"),
                separator="\t",
                header=False,
                quoted=False,
                item="venue",
                category="category",
                signs={"venue": VENUE, "latitude": r"-?\d+(\.\d+)?"},
            ),
        ),
    ),
    siblings=(
        Sibling(
            "Foursquare dataset_TIST2015_Cities.txt",
            "which has no events",
            most_lines(r"[^\t]+\t-?[\d.]+\t-?[\d.]+\t[A-Z]{2}\t[^\t]+\t[^\t]+"),
        ),
    ),
    one_by_one=True,
)
