"""What the process behind ``mos learn`` asks of each of its parts: the router, the fast weights, drift, fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from mos_online.contracts import Outcome, Session

Trigger = Literal["router", "router-fit", "fast-weights", "fine-tune", "stop"]
"""What a part may ask for: a revision of the router, a fit of a new one, fast weights that adapt faster, a fine-tuning,
or that nothing is published until somebody has looked."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A part has noticed something that others should act on.

    Attributes:
        trigger: what is asked for.
        event_time: of what was noticed, ms.
        why: one sentence for people: the signal, what was expected, and what was found.
    """

    trigger: Trigger
    event_time: int
    why: str


class LearningBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What came to be known in one stretch of event time.

    The stretches are whole cells of ``order.CELL`` ms, one after the other; those in which nothing happened are left
    out. So what a part is given does not depend on when the records arrived, nor on the partitions that they lie in.
    Records that come after their cell was given out, because something was idle, are in a batch of their own, whose
    ``event_time`` is that of the batch before.

    Attributes:
        sessions: closed sessions, each once; in the order of (``watermark``, ``user_id``, ``session_id``).
        outcomes: outcomes, each once; in the order of (``window_end``, ``user_id``, ``request_id``).
        event_time: the end of the cell, ms: everything before it is known. It never falls.
        again: it was given out before a restart. A part brings its state up to date, and publishes nothing for it.
    """

    sessions: Sequence[Session] = ()
    outcomes: Sequence[Outcome] = ()
    event_time: int
    again: bool = False


class LearningPart(Protocol):
    """A part of the learner. One thread calls it; a call that takes long holds up the others.

    After a restart it is given again, from the learner's own log, what happened in the last ``horizon`` of event time:
    first ``take`` with batches that are marked ``again``, without ``step``. What it has published it reads where it
    has published it.

    A ``MosError`` of ``step`` is logged, counted and shown by ``status``, and the learner goes on. Any
    other error ends the process, which is then started again.
    """

    @property
    def name(self) -> str:
        """One word, for logs, metrics and ``mos learn status``."""
        ...

    @property
    def horizon(self) -> int:
        """So much event time (ms) before a restart it must be given again; 0 if it needs none."""
        ...

    def take(self, batch: LearningBatch) -> None:
        """Take in one batch; cheap, and without any publishing."""
        ...

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Do what is due, such as publishing a revision.

        It is called after the batches that came together were taken, and several times a second where none come.

        Args:
            event_time: of the last batch, ms.

        Returns:
            What others should act on; each part, this one too, hears it.
        """
        ...

    def hear(self, alarm: Alarm) -> None:
        """Take note of an alarm; what it asks for is done in the next ``step``."""
        ...

    def status(self) -> Mapping[str, object]:
        """What was learned when and why, and what was refused: JSON values, for ``mos learn status``."""
        ...
