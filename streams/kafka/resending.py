"""Sends the records of dead letters again, to where they were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mos_online import contracts
from mos_online.errors import ContractError
from mos_online.settings import Settings
from publishing.producer import Headers, RecordProducer
from streams.kafka.admin import topic_states
from streams.kafka.headers import RESENT
from streams.kafka.letters import FoundLetter

READ_BY_US = (contracts.CLICKS, contracts.SESSIONS, contracts.SESSION_EMBEDDINGS)
"""The topics that records of dead letters can have come from."""


@dataclass(frozen=True, kw_only=True)
class Resending:
    """What becomes of a dead letter; its record is sent again if nothing speaks against it.

    Attributes:
        found: the letter.
        refusal: what speaks against it; None if nothing does.
    """

    found: FoundLetter
    refusal: str | None


def plan_resending(settings: Settings, letters: Iterable[FoundLetter], *, again: bool) -> list[Resending]:
    """Decide for each letter whether its record can be sent again.

    A record can have several letters: every processor of its topic writes one, and a crash can repeat one. It is sent
    once.

    Args:
        settings: name the topics.
        letters: in the order in which they were written.
        again: also send records that have been sent again before and have failed again.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    partitions = {state.name: state.partitions for state in topic_states(settings)}
    ours = {settings.topic(name): partitions[settings.topic(name)] for name in READ_BY_US}
    taken: set[tuple[str, int, int]] = set()
    plan: list[Resending] = []
    for found in letters:
        letter = found.letter
        place = letter.topic, letter.partition, letter.offset
        refusal = _refusal(found, ours, again=again)
        if refusal is None and letter.offset >= 0 and place in taken:
            refusal = "its record is sent because of another dead letter"
        if refusal is None:
            taken.add(place)
        plan.append(Resending(found=found, refusal=refusal))
    return plan


def resend(
    settings: Settings, plan: Sequence[Resending], *, on_sent: Callable[[int], None] = lambda _: None
) -> list[Resending]:
    """Publish what nothing speaks against; return what became of the plan. Blocks until all of it is delivered.

    Key, value, headers and partition are those of the record. The header ``resent`` says how often it has been sent
    again.

    Args:
        settings: where Kafka is.
        plan: what ``plan_resending`` gave.
        on_sent: told how many of the plan are done.

    Raises:
        BrokerError: Kafka cannot be reached, or did not accept a record.
    """
    return asyncio.run(_resend(RecordProducer(settings), plan, on_sent))


async def _resend(
    producer: RecordProducer, plan: Sequence[Resending], on_sent: Callable[[int], None]
) -> list[Resending]:
    done: list[Resending] = []
    for number, each in enumerate(plan, start=1):
        refusal = each.refusal
        if refusal is None:
            letter = each.found.letter
            try:
                producer.publish(
                    letter.topic,
                    letter.key,
                    letter.raw or b"",
                    partition=letter.partition,
                    headers=_marked(each.found),
                )
            except ContractError as error:
                refusal = str(error)
            await producer.relieve()
        done.append(Resending(found=each.found, refusal=refusal))
        on_sent(number)
    await producer.flush()
    return done


def _marked(found: FoundLetter) -> Headers:
    kept = tuple((header.name, header.value) for header in found.letter.headers if header.name != RESENT)
    return (*kept, (RESENT, str(found.resent + 1).encode()))


def _refusal(found: FoundLetter, partitions: dict[str, int], *, again: bool) -> str | None:
    letter = found.letter
    if letter.topic not in partitions:
        return f"{letter.topic} is none of the topics that are read: {', '.join(partitions)}"
    if not 0 <= letter.partition < partitions[letter.topic]:
        return f"{letter.topic} has {partitions[letter.topic]} partitions"
    if letter.raw is None:
        return "the record has no value"
    if not letter.is_whole:
        return "the record was cut; the whole lies at its topic, partition and offset, as long as Kafka keeps it"
    if found.resent and not again:
        return f"the record has been sent again {found.resent} times and has failed again; --again sends it once more"
    return None
