"""What the catalogue says of items in words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp

WORD = re.compile(r"\w+")

UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{2,}")
"""Scripts that put no blanks between words: Thai, Lao, Japanese and Chinese. There, pairs of characters are words."""

LONGEST = 100
"""At most so many words of a text are read."""

MOST_WORDS = 50_000
"""At most so many different words count, those of the most items."""


def words_of(column: str, text: str) -> Iterator[str]:
    """The words of a text, each with the name of its column: a brand is another word than a title.

    >>> list(words_of("title", "Star Wars (1977)"))
    ['title:star', 'title:wars', 'title:1977']
    """
    found = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    for word in found[:LONGEST]:
        if UNSPACED.search(word):
            yield from (f"{column}:{word[at : at + 2]}" for at in range(min(len(word), LONGEST) - 1))
        else:
            yield f"{column}:{word}"


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Words that more than one item has, and how much they tell.

    Attributes:
        columns: the columns of texts that are read.
        places: the place of each word.
        weights: float64 (words,), log of the inverse share of the items that have the word.
    """

    columns: Sequence[str]
    places: dict[str, int]
    weights: np.ndarray[tuple[int], np.dtype[np.float64]]

    @classmethod
    def of(cls, items: pl.DataFrame, columns: Sequence[str]) -> Vocabulary:
        """Learn it from some items: an item a row."""
        have = Counter(word for words in _words(items, columns) for word in words)
        shared = [(count, word) for word, count in have.items() if count > 1]
        kept = sorted(shared, key=lambda one: (-one[0], one[1]))[:MOST_WORDS]
        counts = np.array([count for count, _ in kept], np.float64)
        return cls(
            columns=columns,
            places={word: place for place, (_, word) in enumerate(kept)},
            weights=np.log(1 + len(items) / np.maximum(counts, 1)),
        )

    def matrix(self, items: pl.DataFrame) -> sp.csr_matrix:
        """The words of items, weighted: float64 (items, words), rows of unit length or empty."""
        rows, places = [], []
        for row, words in enumerate(_words(items, self.columns)):
            known = [self.places[word] for word in words if word in self.places]
            rows += [row] * len(known)
            places += known
        found = sp.csr_matrix((self.weights[places], (rows, places)), shape=(len(items), len(self.places)))
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(1)).ravel())
        return sp.csr_matrix(sp.diags(1 / np.where(lengths > 0, lengths, 1)) @ found)


def _words(items: pl.DataFrame, columns: Sequence[str]) -> Iterator[list[str]]:
    """The distinct words of each item, in their order."""
    for texts in items.select(columns).iter_rows():
        found = (word for column, text in zip(columns, texts, strict=True) if text for word in words_of(column, text))
        yield list(dict.fromkeys(found))
