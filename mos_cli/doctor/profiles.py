"""Whether the online store holds all profiles that the profiler has written. Heavy imports are inside the function."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from mos_cli.findings import Finding, Status
from mos_online import contracts
from mos_online.errors import BrokerError, MosError
from mos_online.settings import Settings
from mos_online.users.progress import Progress, describe, judge

MOST = 1000
"""Partitions of which rows are looked for."""


def profiles(settings: Settings) -> Iterator[Finding]:
    """Compare the store's rows of progress with what the profiler has committed, if Kafka can say so."""
    from features.location import parse_location  # noqa: PLC0415
    from features.repository import is_applied  # noqa: PLC0415
    from features.store import OnlineStore  # noqa: PLC0415

    try:
        if not is_applied(settings.feast_dir, parse_location(settings.store, settings.namespace)):
            return
        store = OnlineStore.open(settings)
        found = store.read_progress(range(MOST))
        store.close()
    except MosError:
        return  # the part "online store" says why
    with suppress(BrokerError):  # the part "Kafka" says why; what the profiler has noted is in the rows
        found = {row.partition: row for row in _judged(settings, found)}
    lost = describe(found.values())
    if lost is None:
        yield Finding(part="profiles", status=Status.PASS, found="nothing is known to be missing")
    else:
        what, _, remedy = lost.partition("; ")
        yield Finding(part="profiles", status=Status.FAIL, found=what, remedy=remedy)


def _judged(settings: Settings, rows: dict[int, Progress]) -> Iterator[Progress]:
    from streams.kafka.admin import check_topics  # noqa: PLC0415
    from streams.kafka.log_reader import LogReader  # noqa: PLC0415

    if settings.kafka == "embedded" and not settings.broker_file.exists():
        raise BrokerError("the embedded broker does not run")
    partitions = check_topics(settings).partitions
    reader, topic = LogReader(settings), settings.topic(contracts.SESSIONS)
    try:
        for partition in range(partitions):
            known, end = reader.committed("profiler", topic, partition), reader.bounds(topic, partition)[1]
            yield judge(rows.get(partition), partition, min(known, end), end=end, now=time.time_ns() // 1_000_000)
    finally:
        reader.close()
