"""Public formats are told apart, whatever happens to a file: lines in another order, cut, mixed, or in another unit."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from simulator.datasets import load, load_file
from simulator.datasets.times import PER_SECOND
from tests.examples import SHARED_FIXTURE
from tests.simulator.datasets.format_cases import CASES
from tests.simulator.datasets.format_cases.case import Case
from tests.simulator.datasets.test_formats import each_case, layout, rows, split_header

ALIKE = {frozenset({"movielens", "xing-2016"}), frozenset({"movielens", "amazon-ratings"})}
"""Formats of which a single line can be one of the other: user, item, a number up to 5, seconds."""

OTHER_UNITS = [
    (r"\b(\d{10})\b", r"\g<1>000", "milli"),
    (r"\b(\d{10})\d{3}\b", r"\1", "in seconds"),
    (r"\b\d{10}\b", "1", ""),
]
"""What times are written as, what is written in their place, and what is said then."""

few = settings(deadline=None, max_examples=3, suppress_health_check=SHARED_FIXTURE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@each_case
@given(data=st.data())
@few
def test_lines_in_another_order_are_the_same_log(case: Case, log: Path, data: st.DataObject) -> None:
    header, body = split_header(case)
    lines = data.draw(st.permutations([line for line in body.splitlines(keepends=True) if line.strip()]))
    log.write_text(header + "".join(lines))
    read = load(str(log), None)
    assert Counter(rows(read)) == Counter(case.events)
    assert read.name == case.format


@each_case
@given(data=st.data())
@few
def test_a_file_that_ends_early_is_of_no_other_format(case: Case, log: Path, data: st.DataObject) -> None:
    header, body = split_header(case)
    first = len(header) + body.index("\n") + 1
    whole = header + body * 3
    log.write_text(whole[: data.draw(st.integers(first, len(whole)))])
    with suppress(DatasetError):
        assert load(str(log), None).name == case.format


@each_case
@given(data=st.data())
@few
def test_lines_of_another_format_are_refused(case: Case, log: Path, data: st.DataObject) -> None:
    header, body = split_header(case)
    others = [other for other in CASES if frozenset({other.format, case.format}) not in ALIKE]
    other = data.draw(st.sampled_from([other for other in others if other.format != case.format]))
    log.write_text(header + body * 100 + split_header(other)[1].splitlines(keepends=True)[0])
    with suppress(DatasetError):
        foreign = Counter(rows(load_file(case.format, log))) - Counter(case.events * 100)
        assert not foreign, f"{other.layout} was read as {case.layout}: {foreign}"


def in_other_units(case: Case) -> dict[str, str]:
    """The body of a file with other times -> what is said of it."""
    _, body = split_header(case)
    bodies = {re.sub(pattern, other, body): hint for pattern, other, hint in OTHER_UNITS}
    return {changed: hint for changed, hint in bodies.items() if changed != body}


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if layout(case).unit in PER_SECOND and in_other_units(case)],
    ids=lambda case: case.layout.replace(" ", "-"),
)
def test_times_in_another_unit_are_never_other_times(case: Case, log: Path) -> None:
    header, _ = split_header(case)
    for changed, hint in in_other_units(case).items():
        log.write_text(header + changed)
        no_other_times(case, log, hint)


def no_other_times(case: Case, log: Path, hint: str) -> None:
    seconds = {moment // 1000 for _, _, moment, _, _ in case.events}
    with suppress(DatasetError):
        assert set(load(str(log), None).events["timestamp"] // 1000) <= seconds
    try:
        read = load_file(case.format, log)
    except DatasetError as error:
        said = str(error)
    else:  # a layout of the same format has that unit
        said = hint
        assert set(read.events["timestamp"] // 1000) <= seconds
    assert hint in said
