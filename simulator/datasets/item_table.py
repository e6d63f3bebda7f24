"""Files of a publication that tell of items: titles, categories, and what else they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.ids import as_text, id_text
from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head

_OF_ROWS = ("row", "refused", "found")


@dataclass(frozen=True, kw_only=True)
class ItemTable:
    """One shape of files in which a row tells of an item.

    Attributes:
        layout: how a file is taken apart; it has no user and no time.
        name: the column of the item's title; empty: there is none.
        order: a column of whole numbers; what is told of an item where it is highest holds. Empty: the last row holds.
    """

    layout: Layout
    name: str = ""
    order: str = ""

    @property
    def title(self) -> str:
        """The files, as their publisher names them."""
        return self.layout.title

    def fits(self, head: Head) -> bool:
        """Whether a file has this shape."""
        return self.layout.fits(head)

    def read(self, files: Sequence[Path]) -> pl.DataFrame:
        """Read files that fit.

        Returns:
            item_id, title and category (str), an item a row, and every further column as found. Rows without an item
            that can be used are left out.

        Raises:
            DatasetError: a file is damaged, or no row can be used.
        """
        frames = [self._usable(frame) for file in files for frame in self.layout.chunks(file, [])]
        frame = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
        if frame.is_empty():
            raise DatasetError(f"{', '.join(map(str, files))}: no item can be read; is it {self.title}?")
        if self.order:
            frame = frame.sort(pl.col(self.order).str.strip_chars().cast(pl.Int64, strict=False), maintain_order=True)
        return frame.unique("item_id", keep="last", maintain_order=True)

    def _usable(self, frame: pl.DataFrame) -> pl.DataFrame:
        layout = self.layout
        if "refused" in frame.columns:
            frame = frame.filter(pl.col("refused").is_null())
        if layout.adapt is not None:
            frame = layout.adapt(frame)
        nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(frame))
        title = as_text(frame[self.name]) if self.name else None
        known = {
            "item_id": id_text(frame[layout.item], layout.missing).text,
            "title": nothing if title is None else title.str.strip_chars().replace("", None),
            "category": id_text(frame[layout.category], layout.missing).text if layout.category else nothing,
        }
        used = {layout.item, layout.category, self.name, *_OF_ROWS, *known}
        further = frame.select(name for name in frame.columns if name not in used)
        return pl.DataFrame(known).hstack(further).drop_nulls("item_id")
