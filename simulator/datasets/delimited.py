"""Tables in text: one row a line, fields between separators, quoted or not, with a header or without."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from simulator.datasets.layout import Layout
from simulator.datasets.opening import Head, TextFile
from simulator.datasets.plain_table import plain_table
from simulator.datasets.quoted_table import quoted_table

LONGEST_RECORD = 100
"""Lines; a quoted field that goes on longer was not meant as one."""

HEADER_NOTE = "the first line holds names and is taken for a header"

csv.field_size_limit(2**27)


@dataclass(frozen=True, kw_only=True)
class Delimited(Layout):
    """Files with one row a line.

    Attributes:
        columns: names of all fields in their order; of a file with a header in any order.
        separator: between fields, of any length.
        header: whether the first line holds the names. A header that somebody has added to a file that is published
            without one is left out.
        optional: with a header, columns that may be there besides.
        quoted: whether quotes enclose fields; else they are part of the text.
    """

    columns: Sequence[str]
    separator: str = ","
    header: bool = True
    optional: Sequence[str] = ()
    quoted: bool = True

    @property
    def shape(self) -> str:
        """What a file looks like, in words."""
        return f"{self.separator.join(self.columns)!r}, {'with' if self.header else 'without'} a header"

    @property
    def telling(self) -> bool:
        """A header tells."""
        return self.header or bool(self.like or self.types or self.signs)

    def names(self, head: Head) -> bool:
        """Whether the file has a header with these names."""
        return self.header and bool(head.lines) and self._names(head.lines[0])[1]

    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart, block by block."""
        file, table, skip = TextFile(path), None, 0
        before, rest = 0, ""
        for block in file.blocks():
            text = rest + block.decode()
            if table is None and not text.strip():
                before += text.count("\n")
                continue
            if table is None:
                skip = text[: len(text) - len(text.lstrip())].count("\n")  # lines of blanks are no first line
                first = text.split("\n", skip + 1)[skip]
                names, is_header = self._names(first)
                table = Table(names, self.separator, quoted=self.quoted)
                skip += is_header
                if is_header and not self.header:
                    notes.append(HEADER_NOTE)
            frame, rest = table.take(text, before, skip, last=False)
            before, skip = before + text.count("\n") - rest.count("\n"), 0
            notes += [note for note in file.notes if note not in notes]
            yield frame
        if table is not None and rest:
            yield table.take(rest, before, 0, last=True)[0]

    def sample(self, head: Head) -> pl.DataFrame | None:
        """The rows of the first lines, or None if they have another header or another number of fields."""
        if not head.lines:
            return None
        names, is_header = self._names(head.lines[0])
        if self.header and not is_header:
            return None
        frame, _ = Table(names, self.separator, quoted=self.quoted).take(
            "\n".join(head.lines), 0, int(is_header), last=True
        )
        wrong = frame["refused"].count() if "refused" in frame.columns else 0
        return None if (frame.is_empty() and not self.header) or 2 * wrong > len(frame) else frame

    def _names(self, first: str) -> tuple[list[str], bool]:
        """Names of the fields in their order, and whether the first line says them."""
        found = [name.strip().strip('"').strip() for name in _split(first, self.separator, quoted=self.quoted)]
        wanted = set(self.columns)
        if wanted <= set(found) <= wanted | set(self.optional) and len(set(found)) == len(found):
            return found, True
        is_header = not self.header and len(found) == len(self.columns) and all(_is_name(name) for name in found)
        return list(self.columns), is_header


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[^\W\d][^\d\W_: -]*[_: -]?[^\d\W]*[_: -]?[^\d\W]*", text) is not None


@dataclass(frozen=True)
class Table:
    """Splits text into the fields of a table.

    Attributes:
        names: of the fields, in their order.
        separator: between them.
        quoted: whether quotes enclose fields.
    """

    names: Sequence[str]
    separator: str
    quoted: bool

    def take(self, text: str, before: int, skip: int, *, last: bool) -> tuple[pl.DataFrame, str]:
        """Split lines.

        Args:
            text: whole lines.
            before: lines of the file before them.
            skip: lines at their beginning that are left out.
            last: whether nothing follows.

        Returns:
            The fields as text, ``row``, and where there is a row with another number of fields ``refused`` and
            ``found``; and the text at the end that belongs to a row whose end is still to come.
        """
        for _ in range(skip):
            text, before = text.partition("\n")[2], before + 1
        quoted = self.quoted and '"' in text
        if not quoted and text and (plain := plain_table(text, self.names, self.separator, before + 1)) is not None:
            return plain, ""
        if quoted and len(self.separator) == 1:
            done = quoted_table(text, self.names, self.separator, before + 1, last=last)
            if done is not None:
                return done
        lines = pl.Series([text], dtype=pl.String).str.split("\n").explode().to_frame("found")
        lines = lines.with_columns(row=pl.int_range(before + 1, before + 1 + len(lines), dtype=pl.Int64))
        rest = ""
        if quoted:
            lines, rest = self._joined(lines, last=last)
        lines = lines.filter(pl.col("found") != "")
        if quoted:
            return self._unquoted(lines), rest
        return self._split(lines), rest

    def _split(self, lines: pl.DataFrame) -> pl.DataFrame:
        # One field more than there should be: it is null in every line that has no such field.
        names = [*self.names, "surplus"]
        fields = pl.col("found").str.split_exact(self.separator, len(self.names)).struct.rename_fields(names)
        split = lines.select("row", fields.alias("fields"), "found").unnest("fields")
        if not split[self.names[-1]].null_count() and split["surplus"].null_count() == len(split):
            return split.drop("surplus", "found")
        split = split.filter(pl.col("found").str.strip_chars() != "")  # a line of blanks is empty, too
        wrong = split[self.names[-1]].is_null() | split["surplus"].is_not_null()
        return split.with_columns(
            *(pl.when(~wrong).then(name).alias(name) for name in self.names),
            refused=pl.when(wrong).then(pl.lit("fields")),
            found=pl.when(wrong).then("found"),
        ).drop("surplus")

    def _unquoted(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Split lines of which some have quotes; those without go the fast way."""
        quoted = lines["found"].str.contains('"', literal=True)
        plain = self._split(lines.filter(~quoted))
        values: list[list[str | None]] = []
        refused: list[str | None] = []
        for line in lines.filter(quoted)["found"]:
            fields = _split(line, self.separator, quoted=True)
            right = len(fields) == len(self.names)
            values.append([*fields] if right else [None] * len(self.names))
            refused.append(None if right else "fields")
        schema = dict.fromkeys(self.names, pl.String)
        slow = pl.DataFrame(values, schema=schema, orient="row").with_columns(
            row=lines.filter(quoted)["row"],
            refused=pl.Series(refused, dtype=pl.String),
            found=pl.when(pl.Series(refused, dtype=pl.String).is_not_null()).then(lines.filter(quoted)["found"]),
        )
        return pl.concat([plain, slow], how="diagonal").sort("row")

    def _joined(self, lines: pl.DataFrame, *, last: bool) -> tuple[pl.DataFrame, str]:
        """Put lines together that are one row, because a quoted field holds a line end."""
        odd = lines["found"].str.count_matches('"', literal=True) % 2 == 1
        if not odd.any():
            return lines, ""
        texts, marks = lines["found"].to_list(), odd.to_list()
        at = 0
        while at < len(texts):
            if not marks[at]:
                at += 1
                continue
            end = next((i for i in range(at + 1, min(at + LONGEST_RECORD, len(texts))) if marks[i]), None)
            if end is None:
                if not last and at + LONGEST_RECORD >= len(texts):
                    return lines.with_columns(found=pl.Series(texts)).slice(0, at), "\n".join(texts[at:])
                at += 1
                continue
            whole = "\n".join(texts[at : end + 1])
            if len(_split(whole, self.separator, quoted=True)) == len(self.names):
                texts[at] = whole
                texts[at + 1 : end + 1] = [""] * (end - at)
                at = end
            at += 1
        return lines.with_columns(found=pl.Series(texts, dtype=pl.String)), ""


def _split(line: str, separator: str, *, quoted: bool) -> list[str]:
    """The fields of one row."""
    if not quoted or '"' not in line or len(separator) > 1:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [""])
    except csv.Error:  # a line end outside of quotes
        return line.split(separator)
