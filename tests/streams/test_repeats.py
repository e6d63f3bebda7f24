"""A client that says the same again and again is heard now and then."""

from __future__ import annotations

import logging

from streams.runtime.repeats import RepeatFilter


def record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, None)


def test_a_message_passes_once_in_a_while_and_others_always() -> None:
    now = [0.0]
    repeats = RepeatFilter("aiokafka", seconds=30, clock=lambda: now[0])
    assert repeats.filter(record("aiokafka.conn", "cannot connect to %s", 1))
    assert not repeats.filter(record("aiokafka.conn", "cannot connect to %s", 2))
    assert repeats.filter(record("aiokafka.conn", "another message"))
    assert repeats.filter(record("aiokafka", "cannot connect to %s", 1))
    for _ in range(2):
        assert repeats.filter(record("streams", "a warning"))
        assert repeats.filter(record("aiokafkaesque", "a warning"))
    now[0] = 30.0
    assert repeats.filter(record("aiokafka.conn", "cannot connect to %s", 1))
