"""What the service publishes with."""

from __future__ import annotations

from typing import Protocol

from publishing.unwaiting import Done


class Publisher(Protocol):
    """``publishing.unwaiting.UnwaitingProducer``, as far as the service uses it."""

    @property
    def trouble(self) -> str | None:
        """Why no record can be taken at all; None if they can."""

    def start(self) -> None:
        """Connect, in a thread."""

    def stop(self) -> None:
        """Give what waits a moment, and take nothing any more."""

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        """Take a record, unless there is no room."""
