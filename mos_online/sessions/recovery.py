"""The re-read of the log after a crash: what it repeats, and what it leaves out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from mos_online.contracts import Click
from mos_online.sessions.checkpoint import Decision, RulesChanged, SessionizerCheckpoint
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.keys import window_key

Floors = Mapping[str, tuple[int, str]]


class Recovery:
    """Leads the re-read from a checkpoint's start to the offset where its output had been published (ADR 1).

    Attributes:
        checkpoint: that is recovered from.
        published_to: here the re-read ends. Whatever it closes has been published already.
    """

    def __init__(self, checkpoint: SessionizerCheckpoint) -> None:
        self.checkpoint = checkpoint
        self.published_to = checkpoint.published_to
        self._decisions = deque(checkpoint.decisions)
        self._floors: deque[tuple[SessionConfig, Floors]] = deque()
        rules = checkpoint.rules
        for decision in checkpoint.decisions:
            if isinstance(decision, RulesChanged):
                self._floors.append((rules, decision.floors))
                rules = decision.rules
        self._floors.append((rules, checkpoint.floors))

    def was_published(self, click: Click) -> bool:
        """Whether the click belongs to a session that was cut and published before the checkpoint.

        The re-read may begin in the middle of such a session. Without this its tail would be glued to the next one.
        The rules of then and all later ones may have cut it.
        """
        for rules, floors in self._floors:
            floor = floors.get(window_key(click, rules)) if floors else None
            if floor is not None and (click.timestamp, click.event_id) <= floor:
                return True
        return False

    def decisions(self, offset: int) -> Iterator[Decision]:
        """The decisions up to ``offset``, each once: the re-read decides as was decided the first time."""
        while self._decisions and self._decisions[0].offset <= offset:
            decision = self._decisions.popleft()
            if isinstance(decision, RulesChanged):
                self._floors.popleft()
            yield decision
