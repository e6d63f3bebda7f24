"""The progress bar says what is done, and what else there is to say."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mos_cli.progress import progress_bar


@pytest.mark.parametrize(("counted", "shown"), [(True, "3/10"), (False, "30%")])
def test_a_bar_counts_or_gives_a_share_and_carries_a_note(counted: bool, shown: str) -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out, width=200), counted=counted) as bar:
        bar.update(bar.add_task("profiles", total=10), completed=3, note="12 clicks/s [x]")
        bar.add_task("without a note", total=10)
    assert "profiles" in out.getvalue()
    assert shown in out.getvalue()
    assert "12 clicks/s [x]" in out.getvalue()


def test_a_transient_bar_leaves_nothing() -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out, width=200), transient=True) as bar:
        bar.update(bar.add_task("profiles", total=10), completed=3)
    assert out.getvalue().strip() == ""


def test_in_a_narrow_terminal_a_bar_stays_on_one_line() -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out, width=80)) as bar:
        task = bar.add_task("2024-03-21 12:06:09", total=3000)
        bar.update(task, completed=3000, note="511 clicks/s, 416 unread")
    (line,) = out.getvalue().splitlines()
    assert line.startswith("2024-03-21 12:06:09 ")
    assert line.rstrip().endswith("511 clicks/s, 416 unread")
