"""Where a partition of the sessionizer goes on; ``test_sessionizer_partition`` shows what comes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mos_online.errors import BrokerError
from mos_online.sessions import ClockState, SessionizerCheckpoint
from mos_online.sessions.checkpoint import LogPosition, PlannedRules
from mos_online.settings import Settings
from streams.processors.checkpoint_topic import StoredCheckpoint
from streams.processors.sessionizer.recovery import InMemoryState, RecoveryPlan, check_intact, plan_recovery

NEW = InMemoryState(stored=b"", next_offset=0, silent_before=0)


class Reader:
    """Of a partition of clicks with the offsets 0 to 99, and of some checkpoints, the last one last."""

    def __init__(self, *checkpoints: bytes, committed: int = 0, low: int = 0) -> None:
        self._committed, self._low = committed, low
        self.stored = [StoredCheckpoint(1, number, content) for number, content in enumerate(checkpoints)][::-1]

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self._low, 100

    def committed(self, name: str, topic: str, partition: int) -> int:
        return self._committed


def plan(
    reader: Reader, in_memory: InMemoryState = NEW, *, accept_loss: bool = False, settings: Settings | None = None
) -> RecoveryPlan:
    return plan_recovery(
        settings or Settings(),
        reader,  # type: ignore[arg-type]
        3,
        stored=reader.stored,
        in_memory=in_memory,
        accept_loss=accept_loss,
    )


def stored(start: int = 0, published_to: int = 0, **changes: Any) -> bytes:
    checkpoint = SessionizerCheckpoint.of_nothing(Settings().sessions)
    begin = LogPosition(offset=start, clock=ClockState())
    return msgspec.json.encode(replace(checkpoint, start=begin, published_to=published_to, **changes))


def test_a_new_partition_leaves_everything_to_the_consumer_group() -> None:
    """What it will process is in a checkpoint before it processes it: by which rules, from which offset on."""
    found = plan(Reader(low=7))
    assert found.checkpoint is not None
    log_id = found.checkpoint.log_id
    assert len(log_id) == 32
    expected = SessionizerCheckpoint.of_nothing(Settings().sessions, offset=7, log_id=log_id)
    assert (found.checkpoint, found.start, found.stop) == (expected, 7, 7)
    assert found.unsecured == msgspec.json.encode(expected)


def test_other_rules_are_planned_for_the_end_of_the_log_before_anything_is_processed() -> None:
    settings = Settings(session_gap=77)
    found = plan(Reader(stored()), settings=settings)
    assert found.checkpoint is not None
    assert found.checkpoint.planned == [PlannedRules(offset=100, rules=settings.sessions)]
    assert found.unsecured == msgspec.json.encode(found.checkpoint)
    assert plan(Reader(stored())).unsecured == stored()


def test_a_log_that_begins_after_the_start_is_read_from_its_beginning() -> None:
    """Whether what is gone was needed shows when it has been read."""
    found = plan(Reader(stored(start=20, published_to=40, open_events=1), low=30))
    assert found.checkpoint is not None
    assert (found.checkpoint.start.offset, found.start) == (30, 30)
    check_intact(0, found, Settings(), 3)
    with pytest.raises(BrokerError, match=r"1 events of open sessions are not in clicks\[3\] any more.*accept-loss"):
        check_intact(1, found, Settings(), 3)
    with pytest.raises(BrokerError, match="it is not the log that it was"):
        check_intact(-1, found, Settings(), 3)


def test_records_that_are_gone_before_they_were_processed_are_missed() -> None:
    with pytest.raises(BrokerError, match="begins at offset 41, but 20 is needed"):
        plan(Reader(stored(start=20, published_to=40), low=41))


def test_a_checkpoint_of_another_worker_is_read_up_to_what_was_published_or_committed() -> None:
    for committed, stop in ((10, 40), (60, 60), (150, 100)):
        found = plan(Reader(stored(start=20, published_to=40), committed=committed))
        assert found.checkpoint is not None
        assert (found.start, found.stop) == (20, stop)


def test_a_checkpoint_of_our_own_is_not_needed() -> None:
    own = stored(start=20, published_to=40)
    found = plan(Reader(own, committed=55), InMemoryState(stored=own, next_offset=50, silent_before=40))
    assert (found.checkpoint, found.start, found.stop, found.unsecured) == (None, 50, 55, own)


DAMAGED = [b"", b"{", b'{"version": 99}', b"\xff", b"[" * 200_000, stored(start=-1), stored(start=1)]
DAMAGED += [stored().replace(b'"gap":1800000', b'"gap":-5')]
DAMAGED += [stored().replace(b'"offset":0', b'"offset":' + b"9" * 5000)]


@pytest.mark.parametrize("raw", DAMAGED, ids=lambda raw: repr(raw)[:20])
def test_a_damaged_checkpoint_is_passed_over(raw: bytes) -> None:
    good = stored(start=20, published_to=40)
    found = plan(Reader(stored(start=10, published_to=15), good, raw, raw))
    assert found.checkpoint is not None
    assert (found.start, found.stop, found.stored) == (20, 40, good)
    kept = plan(Reader(good, raw), InMemoryState(stored=good, next_offset=50, silent_before=40))
    assert (kept.checkpoint, kept.start) == (None, 50)


@pytest.mark.parametrize("raw", DAMAGED, ids=lambda raw: repr(raw)[:20])
def test_where_all_checkpoints_are_damaged_the_loss_must_be_accepted(raw: bytes) -> None:
    with pytest.raises(BrokerError, match=r"in sessionizer-checkpoints\[3\] can be read .*--accept-loss"):
        plan(Reader(raw, raw))
    found = plan(Reader(raw, raw), accept_loss=True)
    assert found.checkpoint is not None
    nothing = SessionizerCheckpoint.of_nothing(Settings().sessions, log_id=found.checkpoint.log_id)
    assert (found.checkpoint, found.stored, found.start, found.stop) == (nothing, b"", 0, 0)


@given(
    raw=st.builds(
        lambda raw, at, by: raw[:at] + by + raw[at + len(by) :],
        st.just(stored(start=3, published_to=9)),
        st.integers(0, 400),
        st.binary(max_size=4),
    )
)
def test_no_checkpoint_ends_the_worker_without_a_word(raw: bytes) -> None:
    try:
        found = plan(Reader(raw))
    except BrokerError:
        return
    assert found.checkpoint is not None


@pytest.mark.parametrize("own", [True, False])
def test_a_log_that_is_shorter_than_before_is_taken_for_another_one_if_the_loss_is_accepted(own: bool) -> None:
    last = stored(start=120, published_to=140)
    in_memory = InMemoryState(stored=last, next_offset=150, silent_before=140) if own else NEW
    reader = Reader(last, committed=160, low=7)
    with pytest.raises(BrokerError, match=r"was read up to offset 1[45]0, but goes on with 100: .*--accept-loss"):
        plan(reader, in_memory)
    found = plan(reader, in_memory, accept_loss=True)
    assert found.checkpoint is not None
    assert (found.checkpoint.published_to, found.start, found.stop) == (7, 7, 100)
    assert found.checkpoint.log_id
