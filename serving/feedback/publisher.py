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


class NoPublisher:
    """Takes nothing: where the service runs without a producer."""

    trouble: str | None = "the service was started without Kafka"

    def start(self) -> None:
        """There is nothing to connect to."""

    def stop(self) -> None:
        """Nothing waits."""

    def send(self, topic: str, key: bytes, value: bytes, done: Done) -> bool:
        """Take nothing."""
        return False
