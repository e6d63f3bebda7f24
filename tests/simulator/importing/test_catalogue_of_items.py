"""The catalogue of an import, and the invented shop."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig, offline_sessions
from simulator.datasets.folder import read_folder
from simulator.datasets.raw import ReadOptions
from simulator.importing.catalogue import Catalogue
from simulator.importing.columns import Asked
from simulator.importing.own import own_file
from simulator.importing.plan import plan_import
from simulator.importing.run import Source, import_log
from simulator.importing.shop import write_shop


def test_every_column_is_kept_and_numbers_are_numbers_where_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(
        'SKU,Product Name,Department,price,stock,ean,note,title\n1.0,"A, b",x,1.50,3,0401,,t\n2,,,2,,0402,"",\n'
    )
    found = Catalogue(own_file(tmp_path / "items.csv").whole(), {"title": "Product Name"})
    assert found.columns == {"item_id": "SKU", "title": "Product Name", "category": "Department"}
    assert found.items.to_dicts() == [
        {"item_id": "1", "title": "A, b", "category": "x", "price": 1.5, "stock": 3, "ean": "0401", "note": ""},
        {"item_id": "2", "title": None, "category": None, "price": 2.0, "stock": None, "ean": "0402", "note": ""},
    ]


def test_rows_without_an_id_are_left_out_and_of_repeated_items_the_last_row_counts() -> None:
    table = pl.DataFrame({"sku": ["a", None, "b", " a "], "name": ["1", "2", "3", "4"]})
    found = Catalogue(table, {})
    assert found.items.select("item_id", "title").rows() == [("b", "3"), ("a", "4")]
    assert (found.refused, found.repeated) == (1, 1)


@pytest.mark.parametrize(
    ("columns", "asked", "words"),
    [
        (["x", "title"], {}, "no column of the catalogue is clearly the item_id; the columns are 'x', 'title'"),
        (["sku", "asin"], {}, "several may be: 'sku', 'asin'; say which: --items-as"),
        (["sku"], {"item": "sku"}, "'item' is none of item_id, title, category"),
        (["sku"], {"title": "name"}, "there is no column 'name'; the columns are 'sku'"),
    ],
)
def test_a_catalogue_that_is_not_clear_is_asked(columns: list[str], asked: dict[str, str], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        Catalogue(pl.DataFrame({name: ["1"] for name in columns}), asked)


def test_lists_in_a_catalogue_of_json_are_json_text(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"sku": 5, "name": "a", "tags": ["x", "y"]}\n{"sku": "B", "name": "b"}\n')
    assert Catalogue(own_file(tmp_path / "items.jsonl").whole(), {}).items.to_dicts() == [
        {"item_id": "5", "title": "a", "category": None, "tags": '["x","y"]'},
        {"item_id": "B", "title": "b", "category": None, "tags": None},
    ]


def test_the_shop_is_the_same_every_time_and_its_visits_are_sessions(tmp_path: Path) -> None:
    events, items = write_shop(tmp_path / "shop")
    again = write_shop(tmp_path / "again")
    assert [path.read_bytes() for path in (events, items)] == [path.read_bytes() for path in again]
    plan = plan_import([events], Asked(), ReadOptions())
    outcome = import_log(Source(plan=plan, catalogue=Catalogue(own_file(items).whole(), {})), tmp_path / "log")
    assert outcome.report.refused == {}
    assert outcome.matched == outcome.sold == len(outcome.items) == 240
    assert set(outcome.items.columns) == {"item_id", "title", "category", "price", "brand", "stock"}
    assert outcome.items.schema["price"] == pl.Float64
    assert outcome.items.schema["stock"] == pl.Int64
    assert outcome.seen.types["view"] > outcome.seen.types["cart"] > outcome.seen.types["purchase"] > 1000
    log = read_folder(tmp_path / "log")
    sessions = offline_sessions(log.clicks, SessionConfig())
    assert len(sessions) == log.events["session_id"].n_unique()
