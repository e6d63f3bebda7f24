"""Waiting ends when it is done, or when nothing moves any more, however long it takes."""

from __future__ import annotations

from itertools import chain, count, repeat

from mos_cli.waiting import wait_until


def test_it_waits_as_long_as_something_moves() -> None:
    steps = count()
    seen = [0]

    def progress() -> int:
        seen[0] = next(steps)
        return seen[0]

    assert wait_until(lambda: seen[0] >= 40, progress=progress, patience=0.05, poll=0.004)


def test_it_gives_up_when_nothing_moves() -> None:
    values = chain(range(5), repeat(4))
    assert not wait_until(lambda: False, progress=lambda: next(values), patience=0.05, poll=0.001)


def test_what_is_done_is_not_waited_for() -> None:
    assert wait_until(lambda: True, progress=lambda: 0, patience=0.0)
