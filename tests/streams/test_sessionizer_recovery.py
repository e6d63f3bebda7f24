"""Where a partition of the sessionizer goes on; ``test_sessionizer_partition`` shows what comes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mos_online.errors import BrokerError
from mos_online.sessions import Sessionizer
from mos_online.settings import Settings
from streams.processors.sessionizer.recovery import InMemoryState, RecoveryPlan, plan_recovery

NEW = InMemoryState(stored=b"", next_offset=0, silent_before=0)


class Reader:
    """Of a partition of clicks with the offsets 0 to 99, and of one checkpoint."""

    def __init__(self, checkpoint: bytes | None, committed: int = 0) -> None:
        self._checkpoint, self._committed = checkpoint, committed

    def last(self, topic: str, partition: int) -> Any:
        return None if self._checkpoint is None else SimpleNamespace(value=lambda: self._checkpoint)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, 100

    def committed(self, name: str, topic: str, partition: int) -> int:
        return self._committed


def plan(reader: Reader, in_memory: InMemoryState = NEW) -> RecoveryPlan:
    return plan_recovery(Settings(), reader, 3, in_memory=in_memory, accept_loss=False)  # type: ignore[arg-type]


def stored(**changes: int) -> bytes:
    checkpoint = Sessionizer(Settings().sessions, partition=3).checkpoint()
    return msgspec.json.encode(msgspec.structs.replace(checkpoint, **changes))


def test_a_new_partition_leaves_everything_to_the_consumer_group() -> None:
    found = plan(Reader(None))
    assert (found.checkpoint, found.start, found.stop) == (None, 0, 0)


def test_a_checkpoint_of_another_worker_is_read_up_to_what_was_published_or_committed() -> None:
    for committed, stop in ((10, 40), (60, 60), (150, 100)):
        found = plan(Reader(stored(offset=20, published_to=40), committed))
        assert found.checkpoint is not None
        assert (found.start, found.stop) == (20, stop)


def test_a_checkpoint_of_our_own_is_not_needed() -> None:
    own = stored(offset=20, published_to=40)
    found = plan(Reader(own, committed=55), InMemoryState(stored=own, next_offset=50, silent_before=40))
    assert (found.checkpoint, found.start, found.stop) == (None, 50, 55)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"version": 99}', b"\xff"])
def test_a_checkpoint_that_cannot_be_read_is_named(raw: bytes) -> None:
    in_memory = InMemoryState(stored=b"another", next_offset=0, silent_before=0)
    with pytest.raises(BrokerError, match=r"sessionizer-checkpoints\[3\] cannot be read .*mos topics create"):
        plan(Reader(raw), in_memory)
