"""Vectors of items from what a catalogue says of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mos_online.items.item_texts import words_of
from mos_online.items.item_vectors import DIMENSIONS, item_vectors

BOOKS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "new", "blank"],
        "title": ["Space opera", "Space war", "Baking bread", "Bread and wine", "The space bread war", None],
        "genre": ["sf", "sf", "food", "food", "sf", None],
        "price": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
)
SEEN = ["a", "b", "c", "d"]


def cosines(items: pl.DataFrame, seen: list[str] = SEEN) -> dict[tuple[str, str], float]:
    found = item_vectors(items, seen)
    table = found.rows @ found.rows.T
    return {(one, other): table[i, j] for i, one in enumerate(found.items) for j, other in enumerate(found.items)}


def test_items_of_like_words_are_near_also_one_that_was_not_learned_from() -> None:
    near = cosines(BOOKS)
    assert near["a", "b"] > near["a", "c"] + 0.3
    assert near["new", "b"] > near["new", "c"]
    assert near["new", "new"] == pytest.approx(1, abs=1e-5)
    assert near["blank", "blank"] == 0


def test_what_comes_later_changes_no_vector() -> None:
    later = pl.DataFrame({"item_id": [f"l{n}" for n in range(9)], "title": ["Opera wine"] * 9, "genre": ["sf"] * 9})
    one, both = (item_vectors(items, SEEN) for items in (BOOKS, pl.concat([BOOKS, later], how="diagonal")))
    np.testing.assert_allclose(one.rows, both.rows[: len(BOOKS)], atol=1e-6)


def test_a_brand_is_another_word_than_a_title() -> None:
    items = pl.DataFrame(
        {"item_id": SEEN, "title": ["apple", "apple", "pear", None], "brand": [None, "pear", None, "apple"]}
    )
    near = cosines(pl.concat([items, items.with_columns(item_id=pl.col("item_id") + "2")]))
    assert near["a", "b"] > 0.1
    assert near["a", "d"] == pytest.approx(0, abs=1e-6)


def test_vectors_of_the_catalogue_are_taken_as_they_are_but_for_their_length() -> None:
    given = BOOKS.with_columns(pl.Series("vector", [[3.0, 4.0], [0.0, 2.0], None, [1.0, 0.0], [0.0, -1.0], [0.0, 0.0]]))
    rows = item_vectors(given, SEEN).rows
    expected = np.array([[0.6, 0.8], [0, 1], [0, 0], [1, 0], [0, -1], [0, 0]])
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_long_vectors_become_shorter_and_stay_as_near_as_they_were() -> None:
    rng = np.random.default_rng(0)
    given = rng.standard_normal((90, 4)) @ rng.standard_normal((4, 300))
    names = [f"i{n}" for n in range(90)]
    found = item_vectors(pl.DataFrame({"item_id": names, "vector": given.tolist()}), names[:80])
    assert found.rows.shape[1] <= DIMENSIONS
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    np.testing.assert_allclose(found.rows @ found.rows.T, unit @ unit.T, atol=1e-4)


@pytest.mark.parametrize(
    ("items", "seen"),
    [
        (BOOKS.select("item_id", "price"), SEEN),
        (BOOKS.clear(), []),
        (BOOKS, []),
        (BOOKS.head(1), ["a"]),
        (BOOKS.with_columns(title=pl.lit(None, pl.String), genre=pl.lit(None, pl.String)), SEEN),
    ],
)
def test_of_nothing_come_no_vectors(items: pl.DataFrame, seen: list[str]) -> None:
    found = item_vectors(items, seen)
    assert found.rows.shape == (len(items), 0)
    assert found.of(["a", "zz"]).shape == (2, 0)


def test_an_item_that_is_not_listed_has_a_row_of_zeros() -> None:
    found = item_vectors(BOOKS, SEEN)
    assert found.of(["zz", "b"]).tolist() == [[0.0] * found.length, found.rows[1].tolist()]


def test_where_no_blanks_stand_between_words_pairs_of_characters_are_words() -> None:
    assert list(words_of("t", "東京物語 1953")) == ["t:東京", "t:京物", "t:物語", "t:1953"]
    assert list(words_of("t", "Ｃafé-NOIR")) == ["t:café", "t:noir"]
