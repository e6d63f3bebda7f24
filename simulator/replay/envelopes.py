"""Packing several clicks of one user into one message."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from mos_online import contracts
from mos_online.contracts import Click, ClickEnvelope, without_user


@dataclass(eq=False)
class Envelope:
    """Clicks of one user that wait to be sent together; ``opened_at`` is the event time (ms) of the first."""

    user_id: str
    opened_at: int
    clicks: list[Click] = field(default_factory=list)

    def encode(self) -> bytes:
        """The message: an envelope, or the plain click if there is only one."""
        if len(self.clicks) == 1:
            return contracts.encode(self.clicks[0])
        return contracts.encode(ClickEnvelope(user_id=self.user_id, clicks=[without_user(c) for c in self.clicks]))


class Envelopes:
    """Holds one open envelope per user until it has ``size`` clicks or event time has passed ``span`` ms.

    Waiting delays clicks by up to ``span`` of event time, so the allowed lateness must cover it.
    """

    def __init__(self, *, size: int, span: int) -> None:
        self._size = size
        self._span = span
        self._open: dict[str, Envelope] = {}
        self._by_age: deque[Envelope] = deque()

    def add(self, click: Click, now: int) -> Envelope | None:
        """Put a click in; returns the envelope if that filled it. ``now`` is the event time, ms."""
        envelope = self._open.get(click.user_id)
        if envelope is None:
            envelope = self._open[click.user_id] = Envelope(click.user_id, now)
            self._by_age.append(envelope)
        envelope.clicks.append(click)
        return self._open.pop(click.user_id) if len(envelope.clicks) == self._size else None

    def due(self, now: int) -> Iterator[Envelope]:
        """Take out the envelopes that may wait no longer once event time reaches ``now`` (ms)."""
        while self._by_age and self._by_age[0].opened_at + self._span < now:
            yield from self._taken(self._by_age.popleft())

    def rest(self) -> Iterator[Envelope]:
        """Take out all that is left."""
        while self._by_age:
            yield from self._taken(self._by_age.popleft())

    def _taken(self, envelope: Envelope) -> Iterator[Envelope]:
        if self._open.get(envelope.user_id) is envelope:  # else it was filled, and sent, long ago
            yield self._open.pop(envelope.user_id)
