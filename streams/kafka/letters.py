"""Reads the topic of dead letters, and chooses among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mos_online import contracts
from mos_online.contracts import DeadLetter
from mos_online.errors import BrokerError, ContractError, SettingsError
from mos_online.settings import Settings
from streams.kafka.admin import topic_states
from streams.kafka.decoding import json_decoder
from streams.kafka.headers import times_resent
from streams.kafka.log_reader import LogReader
from streams.kafka.records import of_confluent

_NAME = re.compile(r"(\d{1,9})@(\d{1,18})")
_decode = json_decoder(DeadLetter)


@dataclass(frozen=True, kw_only=True)
class FoundLetter:
    """A dead letter and where it lies.

    Attributes:
        partition, offset: of the topic of dead letters.
        letter: what lies there.
    """

    partition: int
    offset: int
    letter: DeadLetter

    @property
    def name(self) -> str:
        """Its name for people: ``partition@offset``."""
        return f"{self.partition}@{self.offset}"

    @property
    def resent(self) -> int:
        """How often its record had been sent again when it failed."""
        return times_resent(tuple((header.name, header.value) for header in self.letter.headers))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which dead letters are wanted; what is empty or None does not matter.

    Attributes:
        names: as ``FoundLetter.name``.
        reasons: as in the letters.
        processor: as in the letters.
        topic: of the records, without MOS_NAMESPACE.
        since: the letter was written at or after this time (ms).
    """

    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    processor: str | None = None
    topic: str | None = None
    since: int | None = None

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            SettingsError: one is no name of a dead letter.
        """
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise SettingsError(
                    f"{name!r} names no dead letter: names are partition@offset, such as 0@17; `mos dead-letters list` "
                    "shows them"
                )

    def takes(self, found: FoundLetter, settings: Settings) -> bool:
        """Whether this letter is wanted."""
        letter = found.letter
        return (
            (not self.names or found.name in self.names)
            and (not self.reasons or letter.reason in self.reasons)
            and self.processor in (None, letter.processor)
            and (self.topic is None or letter.topic == settings.topic(self.topic))
            and (self.since is None or letter.failed_at >= self.since)
        )


class LetterBox:
    """The dead letters that are on the topic at this moment.

    Attributes:
        total: records on the topic.
        unreadable: records that were read and are no dead letters.
    """

    def __init__(self, settings: Settings) -> None:
        """Ask where the topic begins and ends.

        Raises:
            BrokerError: Kafka cannot be reached, or there is no such topic.
        """
        self.unreadable = 0
        self._settings = settings
        self._name = settings.topic(contracts.DEAD_LETTERS)
        partitions = {state.name: state.partitions for state in topic_states(settings)}
        if not partitions[self._name]:
            raise BrokerError(f"topic {self._name} does not exist; create it with `mos topics create`")
        self._reader = LogReader(settings)
        self._bounds = [self._reader.bounds(self._name, number) for number in range(partitions[self._name])]
        self.total = sum(high - low for low, high in self._bounds)

    def read(self, choice: Choice, on_read: Callable[[int], None] = lambda _: None) -> Iterator[FoundLetter]:
        """The letters that are wanted, partition by partition, in the order in which they were written.

        Args:
            choice: which.
            on_read: told, after each record, how many have been read.

        Raises:
            BrokerError: Kafka cannot be reached, or has just dropped letters that were to be read.
        """
        read = 0
        for number, (low, high) in enumerate(self._bounds):
            for message in self._reader.read(self._name, number, low, high):
                read += 1
                on_read(read)
                record = of_confluent(message)
                try:
                    found = FoundLetter(partition=number, offset=record.offset, letter=_decode(record.value))
                except ContractError:
                    self.unreadable += 1
                    continue
                if choice.takes(found, self._settings):
                    yield found

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
