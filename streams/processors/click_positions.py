"""Says which positions of accepted clicks can be: none lies beyond the end of its partition of ``clicks``."""

from __future__ import annotations

from collections.abc import Iterable

from mos_online import contracts
from mos_online.contracts import AcceptedClicks
from mos_online.contracts.clicks import MAX_CLICKS
from mos_online.errors import ContractError
from mos_online.settings import Settings
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record


class ClickPositions:
    """Remembers how far the partitions of ``clicks`` are known to reach. They never get shorter.

    A click that is accepted lies in the log. So a record that names a later position is not the sessionizer's.
    """

    def __init__(self, settings: Settings, reader: LogReader) -> None:
        self._topic = settings.topic(contracts.CLICKS)
        self._reader = reader
        self._ends: dict[int, int] = {}

    def doubtful(self, found: Iterable[tuple[Record, AcceptedClicks]]) -> set[int]:
        """The partitions of records whose positions lie beyond the end that is known."""
        return {record.partition for record, message in found if not self._reaches(record, message)}

    def learn(self, partition: int) -> None:
        """Ask Kafka for the end of a partition, which is 0 where ``clicks`` has no such partition. Blocks.

        Raises:
            BrokerError: as ``LogReader.bounds``.
        """
        if partition not in self._ends and partition >= self._reader.partitions(self._topic):
            return  # waiting for it would hold up the others for ever
        self._ends[partition] = self._reader.bounds(self._topic, partition)[1]

    def check(self, record: Record, message: AcceptedClicks) -> None:
        """Check that the positions are in the log, as far as it is known.

        Raises:
            ContractError: one is not ("unknown_position").
        """
        if not self._reaches(record, message):
            end = self._ends.get(record.partition, 0)
            raise ContractError(
                "unknown_position",
                f"the position {_last(message)} is of offset {_last(message) // MAX_CLICKS} of "
                f"{self._topic}[{record.partition}], which ends at {end}: no sessionizer has accepted such a click",
            )

    def _reaches(self, record: Record, message: AcceptedClicks) -> bool:
        return _last(message) < MAX_CLICKS * self._ends.get(record.partition, 0)


def _last(message: AcceptedClicks) -> int:
    return message.position + message.places[-1]
