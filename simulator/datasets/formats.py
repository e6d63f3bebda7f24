"""Every public format that can be read as published: the one table of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.datasets import (
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
from simulator.datasets.assemble import Rows, from_rows

FORMATS: dict[str, Callable[[Path], Rows]] = {
    "amazon-ratings": amazon_ratings.read,
    "amazon-reviews": amazon_reviews.read,
    "diginetica": diginetica.read,
    "globo": globo.read,
    "gowalla": gowalla.read,
    "movielens": movielens.read,
    "retailrocket": retailrocket.read,
    "steam": steam.read,
    "taobao": taobao.read,
    "yelp": yelp.read,
    "yoochoose": yoochoose.read,
}
"""Name of the format -> its reader; the module of each says which file of which publication it reads."""


def load_file(format_name: str, path: Path) -> Dataset:
    """Read a file as its publisher distributes it; the format gives the dataset its name.

    Raises:
        DatasetError: unknown format, no such file, or a line that does not follow the format (with its number).
    """
    reader = FORMATS.get(format_name)
    if reader is None:
        raise DatasetError(f"unknown format {format_name!r}; allowed: {', '.join(FORMATS)}")
    if not path.exists():
        raise DatasetError(f"{path} does not exist; give the path of a {format_name} file")
    dataset = from_rows(format_name, reader(path))
    if dataset.events.is_empty():
        raise DatasetError(f"{path} holds no events{_reasons(dataset)}")
    return dataset


def _reasons(dataset: Dataset) -> str:
    return "".join(f"; {count} lines left out: {why}" for why, count in dataset.skipped.items())
