"""The re-read of the log after a crash: what it repeats, and what it leaves out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from mos_online.contracts import Click
from mos_online.sessions.checkpoint import RuleChange, SessionizerCheckpoint


class Recovery:
    """Leads the re-read from a checkpoint's offset to the offset where its output had been published (ADR 1).

    Attributes:
        published_to: here the re-read ends. Whatever it closes has been published already.
        watermark: the watermark when the checkpoint was made.
        floors: per key of a window, where its last published session was cut while the user may have gone on.
    """

    def __init__(self, checkpoint: SessionizerCheckpoint) -> None:
        self.published_to = checkpoint.published_to
        self.watermark = checkpoint.watermark
        self.floors = checkpoint.floors
        self._changes = deque(checkpoint.changes)

    def was_published(self, key: str, click: Click) -> bool:
        """Whether the click belongs to a session that was cut and published before the checkpoint.

        The re-read may begin in the middle of such a session. Without this its tail would be glued to the next one.
        """
        floor = self.floors.get(key)
        return floor is not None and (click.timestamp, click.event_id) <= floor

    def rule_changes(self, offset: int) -> Iterator[RuleChange]:
        """The changes of the rules up to ``offset``, each once: the re-read decides as was decided the first time."""
        while self._changes and self._changes[0].offset <= offset:
            yield self._changes.popleft()
