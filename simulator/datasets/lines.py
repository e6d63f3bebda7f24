"""Reading text files line by line, with errors that name the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl

from mos_online.errors import DatasetError

T = TypeVar("T")


def malformed(path: Path, line: int, why: str) -> DatasetError:
    """The error for a line that does not follow its format."""
    return DatasetError(f"{path}, line {line}: {why}; is this the file of another format?")


def delimited(path: Path, columns: Sequence[str], *, separator: str, header: bool) -> pl.DataFrame:
    """Split every line at ``separator`` (of any length); quotes mean nothing in these formats.

    Returns:
        ``columns`` as strings and ``line`` (number in the file, from 1). Empty lines are left out.

    Raises:
        DatasetError: no such file, not UTF-8, another header, or a line with another number of fields.
    """
    lines = _read(path)
    if header:
        found, expected = str(lines["text"][0]), separator.join(columns)
        if found != expected:
            raise malformed(path, 1, f"the header is {_shown(found)}, expected {expected!r}")
        lines = lines.slice(1)
    lines = lines.filter(pl.col("text").str.strip_chars() != "")
    fields = pl.col("text").str.count_matches(separator, literal=True) + 1
    for line, text, count in lines.with_columns(n=fields).filter(pl.col("n") != len(columns)).head(1).rows():
        raise malformed(path, line, f"{count} fields, expected {len(columns)} ({', '.join(columns)}): {_shown(text)}")
    split = pl.col("text").str.split_exact(separator, len(columns) - 1).struct.rename_fields(columns)
    return lines.select("line", split).unnest("text")


def parsed(path: Path, frame: pl.DataFrame, column: str, value: pl.Expr, expected: str) -> pl.DataFrame:
    """Replace ``column`` by ``value``, which is null or empty where a field cannot be used.

    Raises:
        DatasetError: the first such line, what it holds, and what was ``expected``.
    """
    done = frame.with_columns(_parsed=value)
    bad = pl.col("_parsed").is_null() | (pl.col("_parsed").cast(pl.String) == "")
    for line, text in done.filter(bad).select("line", column).head(1).rows():
        raise malformed(path, line, f"{column} is {_shown(text)}, expected {expected}")
    return done.with_columns(pl.col("_parsed").alias(column)).drop("_parsed")


def ids(path: Path, frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Check that the id ``columns`` are not empty."""
    for column in columns:
        frame = parsed(path, frame, column, pl.col(column), "an id")
    return frame


def renamed(path: Path, frame: pl.DataFrame, column: str, names: dict[str, str]) -> pl.DataFrame:
    """Translate ``column``, whose values must be among ``names``."""
    value = pl.col(column).replace_strict(names, default=None, return_dtype=pl.String)
    return parsed(path, frame, column, value, f"one of {', '.join(names)}")


def json_lines(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Decode every line as ``kind`` (a msgspec.Struct); yields (line number, value).

    Raises:
        DatasetError: no such file, or a line that is not such a JSON object.
    """
    decoder = msgspec.json.Decoder(kind)
    for number, line in numbered_lines(path):
        try:
            yield number, decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise malformed(path, number, str(error)) from None


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers from 1; raises DatasetError if there is no such file."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from None


def _read(path: Path) -> pl.DataFrame:
    try:
        # One column up to a separator that no text holds: polars then splits the file into lines, in parallel.
        return pl.read_csv(
            path,
            separator="\x01",
            quote_char=None,
            has_header=False,
            infer_schema=False,
            new_columns=["text"],
            row_index_name="line",
            row_index_offset=1,
        ).with_columns(pl.col("text").fill_null(""))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from None
    except pl.exceptions.NoDataError:
        raise DatasetError(f"{path} is empty") from None
    except pl.exceptions.PolarsError as error:
        raise DatasetError(f"{path} is not a text file in UTF-8: {error}") from None


def _shown(text: str | None) -> str:
    return repr(text if text is None or len(text) <= 80 else text[:77] + "...")
