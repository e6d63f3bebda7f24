"""What is read of the items of a dataset folder, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mos_online.errors import DatasetError
from simulator.datasets.folder_items import read_folder_items
from simulator.datasets.report import ReadReport


def read(folder: Path, **columns: object) -> pl.DataFrame:
    pl.DataFrame({"item_id": [1, 2, 3]} | columns, strict=False).write_parquet(folder / "items.parquet")
    return read_folder_items(folder / "items.parquet", ReadReport())


def test_further_texts_come_along_and_numbers_do_not(tmp_path: Path) -> None:
    found = read(tmp_path, title=["a", None, "c"], brand=["x", "y", None], price=[1.5, 2.0, None], stock=[1, 2, 3])
    assert found.columns == ["item_id", "title", "category", "brand"]
    assert found["brand"].to_list() == ["x", "y", None]


@pytest.mark.parametrize(
    "given",
    [
        [[1.0, 2.0], None, [0.5, 0.0]],
        ["[1, 2]", None, "[0.5, 0.0]"],
        pl.Series([[1.0, 2.0], None, [0.5, 0.0]], dtype=pl.Array(pl.Float32, 2)),
    ],
)
def test_vectors_are_lists_arrays_or_json(tmp_path: Path, given: object) -> None:
    assert read(tmp_path, vector=given)["vector"].to_list() == [[1.0, 2.0], None, [0.5, 0.0]]


def test_a_column_without_any_vector_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, vector=[None, None, None]).columns == ["item_id", "title", "category"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([[1.0, 2.0], None, [0.5]], "the vector of row 3 has 1 numbers, that of row 1 2"),
        ([[1.0, 2.0], [1.0, 2.0], []], "the vector of row 3 has 0 numbers"),
        ([[1.0, 2.0], [1.0, float("nan")], [1.0, 1.0]], "the vector of row 2 holds"),
        ([[1.0, 2.0], [1.0, float("inf")], [1.0, 1.0]], "the vector of row 2 holds"),
        ([[1.0, 2.0], [1.0, 1.0], [None, 1.0]], "the vector of row 3 holds"),
        (["[1, 2]", "red", None], "no lists of numbers"),
        ([1.0, 2.0, 3.0], "no lists of numbers"),
        ([["a"], ["b"], ["c"]], "no lists of numbers"),
    ],
)
def test_bad_vectors_are_refused_with_the_row_and_what_to_do(tmp_path: Path, given: object, words: str) -> None:
    with pytest.raises(DatasetError, match=words) as raised:
        read(tmp_path, vector=given)
    assert "give each item a list of as many finite numbers, or none" in str(raised.value)


def test_a_file_without_item_ids_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"sku": ["a"]}).write_parquet(tmp_path / "items.parquet")
    with pytest.raises(DatasetError, match="has no column item_id, but sku"):
        read_folder_items(tmp_path / "items.parquet", ReadReport())
