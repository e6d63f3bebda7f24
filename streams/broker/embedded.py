"""The embedded broker of one MOS_HOME: it leaves its address in a file while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from mos_online import contracts
from mos_online.errors import BrokerError
from mos_online.processes import locked
from mos_online.settings import Settings
from streams.broker.librdkafka import MockCluster


class BrokerFile(msgspec.Struct, frozen=True, kw_only=True):
    """Content of ``Settings.broker_file``: address (host:port) and process id of the broker."""

    bootstrap: str
    pid: int


@contextmanager
def embedded_broker(settings: Settings) -> Iterator[str]:
    """Run the broker, with all our topics, for the length of a ``with`` block; gives its address, host:port.

    Raises:
        BrokerError: another one runs on the same MOS_HOME, or librdkafka is missing or refuses.
    """
    path = settings.broker_file
    with locked(
        path.with_suffix(".lock"), what="an embedded broker", instead="choose another MOS_HOME", error=BrokerError
    ):
        path.unlink(missing_ok=True)  # left by a broker that was killed
        cluster = MockCluster()
        try:
            cluster.create_topics(list(map(settings.topic, contracts.TOPICS)), partitions=settings.partitions)
            draft = path.with_suffix(".draft")
            draft.write_bytes(msgspec.json.encode(BrokerFile(bootstrap=cluster.bootstrap, pid=os.getpid())))
            draft.replace(path)
            yield cluster.bootstrap
        finally:
            path.unlink(missing_ok=True)
            cluster.close()
