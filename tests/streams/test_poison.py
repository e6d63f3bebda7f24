"""No record, whatever its bytes, ends a processor, and none takes another one with it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mos_online import contracts
from mos_online.settings import Settings
from streams.runtime.worker import PROCESSORS
from tests.streams.poison import poison
from tests.streams.processor_cases import CASES
from tests.streams.processor_runs import drive
from tests.streams.stream_doubles import Stream, eventually

MOST = 8
LIMITS = [20_000, 1_000_000]


@pytest.mark.parametrize("name", sorted(PROCESSORS))
@given(data=st.data())
@examples(max_examples=30, suppress_health_check=list(HealthCheck))
def test_no_record_ends_a_processor_or_takes_another_one_with_it(name: str, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        case = CASES[name](Settings(home=Path(folder) / "mos"), Path(folder) / "model", monkeypatch)
        case.producer.limit = data.draw(st.sampled_from(LIMITS))
        records = [case.record(0, "first")]
        while len(records) <= MOST:
            offset = len(records)
            bad = data.draw(poison(b"bad", case.value("bad", offset)))
            good = case.record(offset, "bad", bad.value)
            records.append(msgspec.structs.replace(good, key=bad.key, headers=bad.headers, timestamp=bad.timestamp))
        records += [case.record(len(records), "good"), case.record(len(records) + 1, "last")]
        cuts = sorted(data.draw(st.sets(st.integers(1, len(records) - 1), max_size=3)))
        stream = Stream(*(records[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True)))

        async def done() -> None:
            await eventually(lambda: len(records) - 1 in stream.acked, f"all is acknowledged; {case.failures}")
            assert case.failures == []
            assert case.done() >= {"first", "good", "last"}

        drive(case, stream, done)
        for letter in case.producer.letters():
            assert 0 < letter.offset <= MOST or letter.offset == -1
        for topic, some in case.producer.published.items():
            if topic not in (contracts.CLICKS, contracts.DEAD_LETTERS):
                for _, _, _, headers in some:
                    assert headers.keys() <= {"closable_at"}
