"""Public formats, on lines made up in the publishers' shapes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.datasets import FORMATS, ReadOptions, load, load_file
from simulator.datasets.delimited import HEADER_NOTE, Delimited
from simulator.datasets.layout import Layout
from simulator.datasets.parquet import ParquetTable
from tests.examples import SHARED_FIXTURE
from tests.simulator.datasets.format_cases import CASES, FOREIGN
from tests.simulator.datasets.format_cases.case import Case, Foreign
from tests.simulator.datasets.format_cases.others import GLOBO_HEADER

COLUMNS = ["user_id", "item_id", "timestamp", "event_type", "session_id"]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.layout.replace(" ", "-"))


def layout(case: Case) -> Layout:
    return next(layout for layout in FORMATS[case.format].layouts if layout.title == case.layout)


def rows(dataset: Dataset) -> list[tuple[object, ...]]:
    return dataset.events.select(COLUMNS).rows()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_every_layout_has_a_case() -> None:
    assert {(case.format, case.layout) for case in CASES} == {
        (name, layout.title)
        for name, known in FORMATS.items()
        for layout in known.layouts
        if not isinstance(layout, ParquetTable)  # these have tests of their own
    }


@each_case
def test_a_file_is_read_in_order_of_time(case: Case, log: Path) -> None:
    log.write_text(case.text)
    read = load_file(case.format, log)
    assert rows(read) == case.events
    assert read.events["event_id"].to_list() == [f"{case.format}-{row:010}" for row in range(len(case.events))]
    assert read.categories == case.categories
    assert read.report is not None
    assert {reason: found.count for reason, found in read.report.refused.items()} == case.refused
    assert read.report.read == read.report.kept + sum(case.refused.values())
    assert read.report.session


@each_case
def test_a_file_is_recognised_by_its_content(case: Case, log: Path) -> None:
    log.write_text(case.text)
    read = load(str(log), None)
    assert rows(read) == case.events
    assert read.report is not None
    assert read.report.assumed[0] == f"log is read as {case.layout} (--format {case.format})"


@each_case
def test_a_bad_line_is_named(case: Case, log: Path) -> None:
    for bad, complaint in case.bad.items():
        log.write_text(case.text + bad)
        with pytest.raises(DatasetError) as error:
            load_file(case.format, log)
        assert complaint in str(error.value)


@each_case
def test_a_bad_line_among_many_is_left_out_and_counted(case: Case, log: Path) -> None:
    header, body = split_header(case)
    for bad in case.bad:
        log.write_text(header + body * 200 + bad)
        read = load_file(case.format, log)
        assert len(read.events) == 200 * len(case.events)
        assert read.report is not None
        assert read.report.read == read.report.kept + 1 + 200 * sum(case.refused.values())
        assert read.repeats == len(read.events) - len(case.events)
        with pytest.raises(DatasetError, match="cannot be used"):
            load_file(case.format, log, ReadOptions(max_refused=0.0))


@each_case
def test_an_empty_or_missing_file_is_an_error(case: Case, log: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        load_file(case.format, log)
    for nothing in ("", "\n\n", "\ufeff"):
        log.write_text(nothing)
        with pytest.raises(DatasetError, match="is empty"):
            load_file(case.format, log)
    log.write_text(split_header(case)[0])
    with pytest.raises(DatasetError, match=r"is empty|holds no events"):
        load_file(case.format, log)


@each_case
def test_packing_line_ends_and_marks_do_not_matter(case: Case, log: Path) -> None:
    for packing, end, mark in (("plain", "\r\n", "\ufeff"), ("gzip", "\r", ""), ("zstd", "\n", "\ufeff")):
        text = mark + case.text.rstrip("\n").replace("\n", end)  # the last line without its end
        log.write_bytes(PACKINGS[packing](text.encode()))
        assert rows(load_file(case.format, log)) == case.events


def test_latin_1_is_read_and_said(log: Path) -> None:
    log.write_bytes("3\tCafé\t1250000060\n".encode("latin-1"))
    read = load_file("gowalla", log)
    assert read.events["item_id"].to_list() == ["Café"]
    assert read.report is not None
    assert any("Latin-1" in note for note in read.report.notes)


def quoted(case: Case) -> bool:
    shape = layout(case)
    return isinstance(shape, Delimited) and shape.quoted and len(shape.separator) == 1


@pytest.mark.parametrize("case", [*filter(quoted, CASES)], ids=lambda case: case.layout.replace(" ", "-"))
def test_quotes_blanks_and_the_order_of_columns_do_not_matter(case: Case, log: Path) -> None:
    shape = layout(case)
    assert isinstance(shape, Delimited)
    table = [line.split(shape.separator) for line in case.text.splitlines()]
    for spelt in (lambda text: f'"{text}"', lambda text: f" {text} "):
        log.write_text("".join(shape.separator.join(map(spelt, line)) + "\n" for line in table))
        assert rows(load_file(case.format, log)) == case.events
    if shape.header:
        log.write_text("".join(shape.separator.join(reversed(line)) + "\n" for line in table))
        assert rows(load_file(case.format, log)) == case.events
    else:
        log.write_text(shape.separator.join(shape.columns) + "\n" + case.text)
        read = load_file(case.format, log)
        assert rows(read) == case.events
        assert read.report is not None
        assert HEADER_NOTE in read.report.notes


def damaged(case: Case, data: st.DataObject) -> bytes:
    """A file of which some bytes are missing, and others are there that do not belong there."""
    whole = case.text.encode() * 2
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=12))
    return whole[:at] + junk + whole[at + data.draw(st.integers(0, 20)) :]


@each_case
@given(data=st.data())
@settings(
    deadline=None,
    max_examples=6,
    suppress_health_check=SHARED_FIXTURE,
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(case: Case, log: Path, data: st.DataObject) -> None:
    log.write_bytes(damaged(case, data))
    with suppress(DatasetError):
        read = load_file(case.format, log)
        assert read.events["timestamp"].is_between(631_152_000_000, 4_000_000_000_000).all()
        assert read.events.select("user_id", "item_id", "event_type").null_count().sum_horizontal()[0] == 0


@pytest.mark.slow
@given(case=st.sampled_from(CASES), data=st.data())
@settings(max_examples=60, suppress_health_check=SHARED_FIXTURE)
def test_a_damaged_file_is_recognised_or_refused_and_nothing_else(case: Case, log: Path, data: st.DataObject) -> None:
    """All formats look at it, so the cases need not have examples of their own."""
    log.write_bytes(damaged(case, data))
    with suppress(DatasetError):
        load(str(log), None)


@pytest.mark.parametrize("name", FORMATS)
@given(junk=st.binary(max_size=200))
@settings(deadline=None, max_examples=3, suppress_health_check=SHARED_FIXTURE)
def test_any_bytes_are_refused(name: str, tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(junk)
    with pytest.raises(DatasetError):
        load_file(name, path)


@pytest.mark.parametrize("case", FOREIGN, ids=lambda case: case.said)
def test_a_file_without_events_is_refused_by_its_name(case: Foreign, log: Path) -> None:
    log.write_text(case.text)
    with pytest.raises(DatasetError) as error:
        load_file(case.format, log)
    assert case.said in str(error.value)
    if "--format" not in case.said:
        with pytest.raises(DatasetError):
            load(str(log), None)


@pytest.mark.slow
@each_case
def test_no_format_reads_the_file_of_another(case: Case, log: Path) -> None:
    log.write_text(case.text)
    for name in FORMATS:
        if name != case.format:
            with pytest.raises(DatasetError, match=f"--format {case.format}"):
                load_file(name, log)


def test_gowalla_has_two_clocks(log: Path) -> None:
    log.write_text("3\t33\t1250000060.0\n")
    read = load_file("gowalla", log)
    assert read.events["timestamp"].to_list() == [1_250_028_860_000]
    assert read.report is not None
    assert "--zone UTC" in read.report.notes[0]
    assert load_file("gowalla", log, ReadOptions(zone="UTC")).events["timestamp"].to_list() == [1_250_000_060_000]


def test_times_without_a_zone_are_in_the_zone_that_was_said(log: Path) -> None:
    log.write_text(json.dumps({"user_id": "u", "business_id": "b", "stars": 1, "date": "2018-07-02 03:04:05"}))
    there = load_file("yelp", log, ReadOptions(zone="America/Phoenix"))
    assert there.events["timestamp"][0] - load_file("yelp", log).events["timestamp"][0] == 7 * 3_600_000
    assert there.report is not None
    assert there.report.zone == "America/Phoenix"
    with pytest.raises(DatasetError, match="zone 'Mars/Olympus' is not known"):
        load(str(log), None, options=ReadOptions(zone="Mars/Olympus"))


def test_hours_of_a_folder_are_one_log_without_the_sample(tmp_path: Path) -> None:
    for name, minute in (("hour_001", 9), ("hour_000", 1), ("sample", 5)):
        line = f"2,99,1500000000000,2,70{minute},150000000{minute}000,4,3,2,1,20,2\n"
        (tmp_path / f"clicks_{name}.csv").write_text(GLOBO_HEADER + line)
    (tmp_path / "clicks_hour_002.csv").touch()
    (tmp_path / "._clicks_hour_001.csv").write_bytes(b"\x00\x05")
    assert load_file("globo", tmp_path).events["item_id"].to_list() == ["701", "709"]
    assert len(load_file("globo", tmp_path / "clicks_sample.csv").events) == 1
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match=r"holds no clicks_hour_\*"):
        load_file("globo", tmp_path / "none")


def test_what_is_no_format_is_answered_with_all(log: Path) -> None:
    log.write_text("visitor,item\n1,2\n")
    with pytest.raises(DatasetError, match="line 1 is 'visitor,item'"):
        load_file("retailrocket", log)
    with pytest.raises(DatasetError, match="looks like no public format: line 1 is 'visitor,item'"):
        load(str(log), None)
    with pytest.raises(DatasetError, match="unknown format 'netflix'; allowed: adressa, amazon-ratings"):
        load_file("netflix", log)


def split_header(case: Case) -> tuple[str, str]:
    shape = layout(case)
    if isinstance(shape, Delimited) and shape.header:
        header, end, body = case.text.partition("\n")
        return header + end, body
    return "", case.text


def test_lines_of_blanks_and_quoted_line_ends_are_no_rows(log: Path) -> None:
    header = "userId,movieId,rating,timestamp\n"
    log.write_text(header + ' \n\t\n1,"2\n3",4.0,1000000007\n  \n9,20,5.0,1000000008\n1,"2,3",4.0,1000000009\n')
    read = load_file("movielens", log)
    assert read.events["item_id"].to_list() == ["2\n3", "20", "2,3"]
    log.write_text(header + "9,20,5.0,1000000008\n" * 200 + '9,"20,5.0,1000000008\n9,21,5.0,1000000009\n')
    read = load_file("movielens", log)
    assert len(read.events) == 201
    assert read.report is not None
    assert read.report.refused["fields"].row == 202


def test_the_last_category_of_an_item_is_its_category(log: Path) -> None:
    log.write_text("1,7,3,pv,1511600001\n1,8,3,pv,1511600002\n1,7,4,pv,1511600003\n")
    assert load_file("taobao", log).categories == {"7": "cat_4", "8": "cat_3"}


@pytest.mark.slow
@given(cut=st.integers(8, 90))
@settings(deadline=None, max_examples=4, suppress_health_check=SHARED_FIXTURE)
def test_blocks_do_not_matter(log: Path, cut: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.datasets.opening.TextFile.__init__.__kwdefaults__", {"block": cut})
        for case in CASES:
            log.write_text(case.text)
            assert rows(load_file(case.format, log)) == case.events
