"""Reads the sessions of one partition from the log, with the checks of the profiler."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from mos_online import contracts
from mos_online.contracts import Session
from mos_online.errors import ContractError
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from streams.kafka.decoding import json_decoder
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent
from streams.processors.own_records import check_key, check_time

log = logging.getLogger(__name__)
decode_session = json_decoder(Session)


def check_session(record: Record, session: Session, rules: SessionConfig) -> None:
    """Check a session that was decoded. One from the future would keep its user's profile as it is until that time.

    Raises:
        ContractError: it is no session of the sessionizer.
    """
    contracts.check_session(session)
    check_key(record, session.user_id)
    check_time("watermark", session.watermark, record, rules)


def read_sessions(reader: LogReader, settings: Settings, partition: int, start: int, stop: int) -> Iterator[Session]:
    """The sessions of a partition with ``start`` <= offset < ``stop``, in order.

    Records that the profiler refuses are left out; it has made dead letters of them.

    Raises:
        BrokerError: as ``LogReader.read``.
    """
    rules = settings.sessions
    for message in reader.read(settings.topic(contracts.SESSIONS), partition, start, stop):
        record = of_confluent(message)
        try:
            session = decode_session(record.value)
            check_session(record, session, rules)
        except ContractError as error:
            log.debug("%s[%d]@%d is left out: %s", record.topic, record.partition, record.offset, error)
            continue
        yield session
