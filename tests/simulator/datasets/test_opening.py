"""Opening files: packed or not, whatever their encoding and line ends."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import cramjam
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from simulator.datasets import opening
from simulator.datasets.opening import LATIN_1, TextFile, head

TEXT = "a,b\nCafé,1\nx,2\n"


def whole(path: Path, block: int = 7) -> str:
    return b"".join(TextFile(path, block=block).blocks()).decode()


def packed(data: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(data[:5]) + gzip.compress(data[5:])  # two members, as `cat a.gz b.gz` makes them
    return bytes(cramjam.zstd.compress(data)) if how == "zstd" else data


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("block", [64, 16 * 2**20])
def test_a_text_is_the_same_however_it_is_written(
    how: str, end: str, mark: bytes, encoding: str, block: int, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_bytes(packed(mark + TEXT.replace("\n", end).encode(encoding), how))
    file = TextFile(path, block=block)
    assert b"".join(file.blocks()).decode() == TEXT
    assert file.notes == ([LATIN_1] if encoding == "latin-1" else [])
    assert head(path).lines == ("a,b", "Café,1", "x,2")


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00\ufeff"), max_size=30)),
    st.integers(1, 40),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None)
def test_blocks_hold_whole_lines(lines: list[str], block: int, end: str) -> None:
    path = Path(opening.__file__).with_suffix(".never")
    text = "".join(line + "\n" for line in lines)
    data = text.replace("\n", end).encode()
    file = TextFile(path, block=block)
    pieces = [data[at : at + block] for at in range(0, len(data), block)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "unpacked", lambda *_: iter(pieces))
        found = list(file.blocks())
    assert b"".join(found).decode() == text
    assert all(piece.endswith(b"\n") for piece in found)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"PK\x03\x04rest", "zip archive: unpack it"),
        ("text".encode("utf-16"), "UTF-16"),
        (b"a\x00b\n", "NUL bytes"),
        (gzip.compress(b"a,b\n" * 9, mtime=0)[:-9], "damaged"),
        (b"\x1f\x8bnot really", "cannot be read|damaged"),
        (bytes(cramjam.zstd.compress(b"a,b\n" * 999))[:-9], "damaged"),
        (b"\x28\xb5\x2f\xfdnot really", "damaged"),
    ],
)
def test_what_is_no_text_is_named(data: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=complaint):
        whole(path)
    with pytest.raises(DatasetError, match="No such file"):
        whole(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="cannot be read: Is a directory"):
        whole(tmp_path)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LONGEST_LINE", 1000)
    path = tmp_path / "log"
    path.write_text("[" + "1," * 2000)
    with pytest.raises(DatasetError, match="one JSON document"):
        whole(path, block=100)


def test_a_parquet_file_is_known_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "log"
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(path)
    assert head(path).columns == ("a", "b")
    path.write_bytes(b"PAR1" + path.read_bytes()[4:20])
    with pytest.raises(DatasetError, match="damaged Parquet"):
        head(path)


@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "zstd", "PAR1"]))
@settings(deadline=None)
def test_any_bytes_have_a_head_or_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, how: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any_bytes"
    path.write_bytes(b"PAR1" + data if how == "PAR1" else packed(data, how))
    with suppress(DatasetError):
        found = head(path)
        assert not found.empty or not data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").strip()
