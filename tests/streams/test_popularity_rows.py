"""Which rows of popularity are written, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from tests.streams.processor_cases import PARTITION, PopularityCase
from tests.streams.stream_doubles import eventually, quiet


def test_nothing_is_written_of_a_partition_after_it_was_given_up(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a write that is under way nor by one that the store has refused and that is tried again."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    processor, write = case.processor, case.store.write_popularity
    began, may_end = threading.Event(), threading.Event()

    def slowly(snapshots: Sequence[PopularitySnapshot]) -> None:
        began.set()
        may_end.wait()
        write(snapshots)

    async def run() -> None:
        (timer,) = processor.timers()
        await processor.process([case.record(0, "a")])
        case.store.down = True
        refused = asyncio.create_task(processor.run_timer(timer))
        await eventually(lambda: processor.waiting is not None, "the store has refused a write")
        await processor.revoked()
        case.store.down = False
        await refused
        assert case.store.popularity == {}

        await processor.process([case.record(1, "b")])
        monkeypatch.setattr(case.store, "write_popularity", slowly)
        under_way = asyncio.create_task(processor.run_timer(timer))
        await asyncio.to_thread(began.wait)
        revoked = asyncio.create_task(processor.revoked())
        await quiet()
        assert not revoked.done()
        may_end.set()
        await asyncio.gather(revoked, under_way)
        assert case.store.popularity.keys() == {PARTITION}
        assert case.failures == []

    asyncio.run(run())
