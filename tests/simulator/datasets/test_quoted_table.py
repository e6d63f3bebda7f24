"""Quoted tables are split at once, and as the csv module of Python splits them."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from simulator.datasets.quoted_table import quoted_table

FIELDS = st.text(alphabet='ab1é "\n,;\t', max_size=6)
ROWS = st.lists(st.lists(FIELDS, min_size=3, max_size=3), min_size=1, max_size=12)
NAMES = ("a", "b", "c")


def written(rows: list[list[str]], separator: str, quoting: int) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


@given(ROWS, st.sampled_from(",;\t"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.data())
def test_blocks_of_whole_lines_give_all_rows_with_their_lines(
    rows: list[list[str]], separator: str, quoting: int, data: st.DataObject
) -> None:
    text = written(rows, separator, quoting)
    lines = text.splitlines(keepends=True)
    cut = data.draw(st.integers(0, len(lines)))
    found: list[tuple[str, ...]] = []
    numbers: list[int] = []
    rest, first = "", 1
    for part, last in (("".join(lines[:cut]), False), ("".join(lines[cut:]), True)):
        done = quoted_table(rest + part, NAMES, separator, first, last=last)
        if done is None:
            assert "\n\n" in text or text.startswith("\n")
            return
        frame, left = done
        first += (rest + part).count("\n") - left.count("\n")
        rest = left
        found += frame.select(NAMES).rows()
        numbers += frame["row"].to_list()
    assert found == [tuple(row) for row in rows]
    ends = [sum(field.count("\n") for field in row) + 1 for row in rows]
    assert numbers == [1 + sum(ends[:at]) for at in range(len(rows))]


def test_what_is_written_otherwise_is_left_to_others() -> None:
    for text in ('1,5" disk,3\n', '1,"2"x,3\n', '1,"2"\n', '1,"2",3,4\n', '1,"2",3\n\n1,2,3\n', '1,"2,3\n4,5,6\n'):
        assert quoted_table(text, NAMES, ",", 1, last=True) is None, text
    assert quoted_table('1,"2,' + "x" * 2**21 + "\n", NAMES, ",", 1, last=False) is None
