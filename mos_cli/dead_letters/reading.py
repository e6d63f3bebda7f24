"""Reads and sends with a progress bar on standard error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from rich.console import Console

from mos_cli.progress import progress_bar
from mos_cli.utc import moment
from mos_online.errors import SettingsError
from mos_online.settings import settings
from streams.kafka.letters import Choice, FoundLetter, LetterBox
from streams.kafka.resending import READ_BY_US, Resending, resend


def choice_of(
    names: tuple[str, ...],
    reasons: Sequence[str] | None,
    processor: str | None,
    topic: str | None,
    since: str | None,
) -> Choice:
    """The choice that the options name.

    Raises:
        SettingsError: one of them cannot be.
    """
    if topic is not None and topic not in READ_BY_US:
        raise SettingsError(f"no dead letter is of a topic {topic}; there are {', '.join(READ_BY_US)}")
    return Choice(
        names=names,
        reasons=tuple(reasons or ()),
        processor=processor,
        topic=topic,
        since=None if since is None else moment(since, now=time.time_ns() // 1_000_000),
    )


def chosen_letters(choice: Choice) -> list[FoundLetter]:
    """Read the whole topic of dead letters.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    err = Console(stderr=True)
    with closing(LetterBox(settings())) as box, progress_bar(err, transient=True) as bar:
        task = bar.add_task("reading dead letters", total=box.total)
        found = list(box.read(choice, lambda count: bar.update(task, completed=count)))
    if box.unreadable:
        err.print(f"{box.unreadable} records of the topic are no dead letters", highlight=False, soft_wrap=True)
    return found


def sent(plan: Sequence[Resending]) -> list[Resending]:
    """Send what can be sent; what became of it.

    Raises:
        BrokerError: Kafka cannot be reached, or did not accept a record.
    """
    with progress_bar(Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=len(plan))
        return resend(settings(), plan, on_sent=lambda count: bar.update(task, completed=count))
