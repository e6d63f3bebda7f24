"""Whether an input of the joiner has ended for now: nothing waits in its topic, nor where its records are made."""

from __future__ import annotations

import logging

from mos_online import contracts
from mos_online.errors import BrokerUnavailableError
from mos_online.settings import Settings
from streams.kafka.log_reader import LogReader
from streams.processors.joiner.partition import JoinerPartition

SESSIONIZER = "sessionizer"

log = logging.getLogger(__name__)


def ends(reader: LogReader, settings: Settings, name: str, partition: JoinerPartition) -> bool:
    """Whether no record of the input ``name`` waits to be taken. Blocks.

    Accepted clicks wait also while the sessionizer has not processed all of ``clicks``. Else a sessionizer that is
    down would let the joiner close decisions without their clicks.
    """
    number = partition.number
    try:
        if _waiting(reader, settings.topic(name), number, partition.next_offsets[name]):
            return False
        if name != contracts.ACCEPTED_CLICKS:
            return True
        clicks = settings.topic(contracts.CLICKS)
        return not _waiting(reader, clicks, number, reader.committed(SESSIONIZER, clicks, number))
    except BrokerUnavailableError as error:  # nobody knows what waits there; the next step asks again
        log.warning("partition %d waits for %s: %s", number, settings.topic(name), error)
        return False


def _waiting(reader: LogReader, topic: str, number: int, begin: int) -> bool:
    low, high = reader.bounds(topic, number)
    return max(begin, low) < high and reader.has_records(topic, number, max(begin, low), high)
