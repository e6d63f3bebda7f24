"""Opening files: unpacked, in UTF-8, with one kind of line end, in blocks of whole lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from mos_online.errors import DatasetError

BLOCK = 16 * 2**20
"""Bytes that are read at once."""

LONGEST_LINE = 64 * 2**20
"""Bytes; a file with a longer line is no log."""

HEAD_BYTES = 64 * 1024
HEAD_LINES = 200

LATIN_1 = "lines that are not UTF-8 are read as Latin-1"

_BOM = b"\xef\xbb\xbf"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it, and give the file inside",
    b"\xff\xfe": "a text in UTF-16: save it in UTF-8",
    b"\xfe\xff": "a text in UTF-16: save it in UTF-8",
    b"BZh": "a bzip2 archive: unpack it, or pack it with gzip or zstd",
    b"\xfd7zXZ": "an xz archive: unpack it, or pack it with gzip or zstd",
    b"7z\xbc\xaf": "a 7z archive: unpack it, and give the file inside",
    b"\x89HDF": "an HDF5 file: export the table as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "an Excel file: export the sheet as CSV",
    b"SQLite format 3\x00": "an SQLite database: export the table as CSV",
}
"""First bytes of files that are not read -> what they are and what to do."""


class Head(NamedTuple):
    """The beginning of a file, by which its format is recognised.

    Attributes:
        path: of the file.
        lines: the first lines of a text file that are not empty, without their ends.
        columns: names of the columns of a Parquet file, else None.
    """

    path: Path
    lines: tuple[str, ...]
    columns: tuple[str, ...] | None = None

    @property
    def empty(self) -> bool:
        """Whether the file holds nothing."""
        return not self.lines and self.columns is None


def head(path: Path) -> Head:
    """Look at the beginning of a file.

    Raises:
        DatasetError: it cannot be read, or is of a kind that is never read.
    """
    if is_parquet(path):
        return Head(path, (), tuple(parquet_columns(path)))
    lines: list[str] = []
    for block in TextFile(path, block=HEAD_BYTES).blocks():
        lines = [line for line in block.decode().split("\n") if line.strip()]
        if lines:
            break
    return Head(path, tuple(lines[:HEAD_LINES]))


class TextFile:
    """A text file, plain or packed with gzip or zstd.

    Attributes:
        notes: what had to be assumed to read it, in words.
    """

    def __init__(self, path: Path, *, block: int = BLOCK) -> None:
        self.notes: list[str] = []
        self._path = path
        self._size = block

    def blocks(self) -> Iterator[bytes]:
        """Blocks of whole lines in UTF-8; lines end with a line feed, but the last line of a file need not.

        A byte order mark is left out. Lines that are not UTF-8 are read as Latin-1, which ``notes`` then says.

        Raises:
            DatasetError: the file cannot be read, is damaged, is no text, or has a line longer than ``LONGEST_LINE``.
        """
        rest, first, only_cr = b"", True, False
        for data in unpacked(self._path, self._size):
            piece = data
            if first:
                self._require_text(data)
                piece = data.removeprefix(_BOM)
                only_cr, first = b"\r" in data[:-1] and b"\n" not in data, False
            if only_cr:
                piece = piece.replace(b"\r", b"\n")
            end = piece.rfind(b"\n") + 1
            if not end:
                rest += piece
                if len(rest) > LONGEST_LINE:
                    raise DatasetError(
                        f"{self._path} has a line of more than {LONGEST_LINE >> 20} MiB: is it one JSON document? "
                        "Write one row a line"
                    )
                continue
            block, rest = rest + piece[:end], piece[end:]
            yield self._clean(block)
        if rest:
            yield self._clean(rest)

    def _clean(self, block: bytes) -> bytes:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
        if block.isascii():
            return block
        try:
            block.decode()
        except UnicodeDecodeError:
            if LATIN_1 not in self.notes:
                self.notes.append(LATIN_1)
            return b"\n".join(_utf8(line) for line in block.split(b"\n"))
        return block

    def _require_text(self, data: bytes) -> None:
        if b"\x00" in data[:4096]:
            raise DatasetError(f"{self._path} is not a text file: it has NUL bytes")


def _utf8(line: bytes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1").encode()
    return line


def unpacked(path: Path, size: int = BLOCK) -> Iterator[bytes]:
    """The bytes of a file in blocks of about ``size``, unpacked if they are packed with gzip or zstd.

    Raises:
        DatasetError: it cannot be read, is a packed file that is damaged, or is of a kind that is never read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
            file.seek(0)
            for magic, what in _FOREIGN.items():
                if start.startswith(magic):
                    raise DatasetError(f"{path} is {what}")
            for block in _unpacker(start)(file, size):
                read_so_far(path, file.tell())
                yield block
    except (EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is a damaged archive: {error}; fetch it again") from None
    except OSError as error:
        what = error.strerror or f"{error}; is it damaged?"
        raise DatasetError(f"{path} cannot be read: {what}") from None


def _unpacker(start: bytes) -> Callable[[BinaryIO, int], Iterator[bytes]]:
    if start.startswith(b"\x1f\x8b"):
        return _gunzipped
    return _zstd if start.startswith(b"\x28\xb5\x2f\xfd") else _plain


def _plain(file: BinaryIO, size: int) -> Iterator[bytes]:
    while data := file.read(size):
        yield data


def _gunzipped(file: BinaryIO, size: int) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as unpacking:
        while data := unpacking.read(size):
            yield data


def _zstd(file: BinaryIO, size: int) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415 - takes a while, and few files are packed so

    with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as unpacking:
        while data := unpacking.read(size):
            yield data


Watcher = Callable[[Path, int], None]
_watcher: ContextVar[Watcher] = ContextVar("watcher", default=lambda path, position: None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell how far files are read: ``watcher`` gets a file and a position in it, in bytes as they lie on disk."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def read_so_far(path: Path, position: int) -> None:
    """Say up to which position a file was read."""
    _watcher.get()(path, position)


def is_parquet(path: Path) -> bool:
    """Whether a file begins as a Parquet file does.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from None


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns of a Parquet file.

    Raises:
        DatasetError: it is damaged.
    """
    try:
        return list(pl.read_parquet_schema(path))
    except PARQUET_ERRORS as error:
        raise damaged_parquet(path, error) from None


PARQUET_ERRORS = (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException)
"""What polars raises for a damaged Parquet file; a panic is among them."""


def damaged_parquet(path: Path, error: BaseException) -> DatasetError:
    """The error for a Parquet file that cannot be read."""
    return DatasetError(f"{path} is a damaged Parquet file, or none: {str(error).splitlines()[0]}")
