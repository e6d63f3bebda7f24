"""The catalogue of an import: a table with one row per item, of which everything is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from mos_online.errors import DatasetError
from simulator.dataset import ITEM_COLUMNS
from simulator.datasets.ids import as_text, id_text
from simulator.importing.columns import listed
from simulator.importing.roles import ROLES, named_for, plain_name

TITLES = ("title", "name", "product_name", "item_name", "product_title", "article_name", "prod_name", "headline")
CATEGORIES = ("category", *ROLES["category"].usual, "genres", "genre", "categories", "product_type", "product_group")

_AS = "--items-as item_id=sku,title=name,category=department"


class Catalogue:
    """What is known of the items.

    Attributes:
        items: item_id, title, category, and every further column of the table as found.
        columns: column of a dataset folder -> column of the table.
        refused: rows without an item id that can be used.
        repeated: rows whose item comes again further down; the last row is kept.
    """

    def __init__(self, table: pl.DataFrame, asked: Mapping[str, str]) -> None:
        self.columns = catalogue_columns(table, asked)
        ids = id_text(table[self.columns["item_id"]])
        roles = {
            name: table[self.columns[name]] if name in self.columns else pl.Series([None]).new_from_index(0, len(table))
            for name in ("title", "category")
        }
        further = table.select(pl.exclude(self.columns.values()))
        clash = [column for column in further.columns if column in ITEM_COLUMNS]
        kept = pl.DataFrame(
            [
                ids.text.alias("item_id"),
                _text(roles["title"]).alias("title"),
                id_text(roles["category"]).text.alias("category"),
                *further.drop(clash).select(as_found(column) for column in further.drop(clash)).get_columns(),
            ]
        )
        usable = kept.drop_nulls("item_id")
        self.refused = len(kept) - len(usable)
        self.items = usable.unique("item_id", keep="last", maintain_order=True)
        self.repeated = len(usable) - len(self.items)


def catalogue_columns(table: pl.DataFrame, asked: Mapping[str, str]) -> dict[str, str]:
    """Which columns of a table are item_id, title and category.

    Args:
        table: at least the first rows of it.
        asked: what the user said: the same as is returned.

    Raises:
        DatasetError: there is no column that is clearly the item, several may be title or category, or there is no
            such column.

    >>> catalogue_columns(pl.DataFrame({"sku": ["a"], "name": ["A"], "price": [2]}), {})
    {'item_id': 'sku', 'title': 'name'}
    """
    for name, column in asked.items():
        if name not in ITEM_COLUMNS:
            raise DatasetError(f"--items-as: {name!r} is none of {', '.join(ITEM_COLUMNS)}; write {_AS}")
        if column not in table.columns:
            raise DatasetError(f"--items-as: there is no column {column!r}; the columns are {listed(table.columns)}")
    found = dict(asked)
    free = [column for column in table.columns if column not in found.values()]
    candidates = {
        "item_id": named_for("item", free) or [column for column in free if plain_name(column) == "id"],
        "title": _first_named(TITLES, free),
        "category": _first_named(CATEGORIES, free),
    }
    for name, several in candidates.items():
        if name in found:
            continue
        if len(several) == 1:
            found[name] = several[0]
        elif several or name == "item_id":
            which = f"several may be: {listed(several)}" if several else f"the columns are {listed(table.columns)}"
            raise DatasetError(f"no column of the catalogue is clearly the {name}; {which}; say which: {_AS}")
    return {name: found[name] for name in ITEM_COLUMNS if name in found}


def _first_named(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns with the first of the names that any has."""
    for name in names:
        if found := [column for column in columns if plain_name(column) == name]:
            return found
    return []


def as_found(column: pl.Series) -> pl.Series:
    """A further column: numbers where every text of it is one, without a leading zero that would be lost.

    >>> as_found(pl.Series(["1", None, "20"])).to_list(), as_found(pl.Series(["01", "2"])).to_list()
    ([1, None, 20], ['01', '2'])
    """
    if column.dtype != pl.String:
        return column
    text = column.str.strip_chars().replace("", None)
    whole, number = text.cast(pl.Int64, strict=False), text.cast(pl.Float64, strict=False)
    padded = text.str.contains(r"^[+-]?0\d").any() or text.str.contains(r"^\+").any()
    if text.null_count() == len(text) or padded or number.is_finite().not_().any():
        return column
    return next((cast for cast in (whole, number) if cast.null_count() == text.null_count()), column)


def _text(column: pl.Series) -> pl.Series:
    text = as_text(column)
    if text is None:
        return pl.Series([None if value is None else str(value) for value in column], dtype=pl.String)
    return text.replace("", None)


def require_match(catalogue: pl.DataFrame, sold: pl.Series) -> int:
    """How many items of the events are in the catalogue.

    Args:
        catalogue: column ``item_id``.
        sold: the items that occur in the events, each once.

    Raises:
        DatasetError: none.
    """
    matched = int(sold.is_in(catalogue["item_id"].implode()).sum())
    if matched == 0:
        raise DatasetError(
            f"no item of the events is in the catalogue: events have {listed(sold.head(3).to_list())}, the catalogue "
            f"has {listed(catalogue['item_id'].head(3).to_list())}; is --item another column, "
            "or --items-as item_id=?"
        )
    return matched
