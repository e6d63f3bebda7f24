"""Turns clicks into messages of the right partitions, and keeps the promise that heartbeats make.

When event time has reached T, every click that is meant to be in time and is not yet sent has a timestamp of at least
T - lateness. Disorder and envelopes delay clicks, so both together must fit into the lateness.
"""

from __future__ import annotations

from typing import Protocol

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat
from simulator.partition import partition_of
from simulator.replay.envelopes import Envelope, Envelopes
from simulator.replay.lag import LagGuard


class Topic(Protocol):
    """Where messages go: ``simulator.replay.clicks_topic.ClicksTopic``, or a list in a test."""

    partitions: int

    def send(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Queue a message."""

    def check(self) -> None:
        """Look after what is on its way; raises BrokerError if something could not be delivered."""

    def flush(self) -> None:
        """Wait until everything is delivered; raises BrokerError if something could not be."""


class Publisher:
    """Sends clicks and heartbeats.

    Args:
        topic: where to.
        envelopes: collects the clicks of a user; None sends each at once.
        lateness: of the sessionizer, ms.
        beats: whether heartbeats are allowed: only if nobody else writes to the topic.
        guard: is told what was sent.

    Attributes:
        event_time: reached so far (ms).
        messages: sent so far, with heartbeats.
    """

    def __init__(
        self, topic: Topic, *, envelopes: Envelopes | None, lateness: int, beats: bool, guard: LagGuard | None
    ) -> None:
        self.event_time = -1
        self.messages = 0
        self._topic, self._envelopes, self._lateness, self._beats, self._guard = (
            topic,
            envelopes,
            lateness,
            beats,
            guard,
        )
        self._homes: dict[str, tuple[int, bytes]] = {}  # user -> partition, key
        self._promised = [-1] * topic.partitions
        self._spoken: set[int] = set()  # partitions that got a message since the last beat

    def pass_time(self, event_time: int) -> None:
        """Event time reaches ``event_time`` (ms): send the envelopes that can wait no longer. Never goes back."""
        if event_time <= self.event_time:
            return
        self.event_time = event_time
        if self._envelopes is not None:
            for envelope in self._envelopes.due(event_time):
                self._send_envelope(envelope)

    def click(self, click: Click) -> None:
        """Send a click, or put it into its user's envelope."""
        if self._envelopes is None:
            self.alone(click.user_id, contracts.encode(click))
        elif (full := self._envelopes.add(click, self.event_time)) is not None:
            self._send_envelope(full)

    def partition(self, user_id: str) -> int:
        """The partition of a user."""
        return self._home(user_id)[0]

    def alone(self, user_id: str, value: bytes | None) -> None:
        """Send a message of its own for this user, whatever it holds."""
        partition, key = self._home(user_id)
        self._send(partition, key, value)

    def promise(self, user_id: str) -> None:
        """Make sure that the watermark of this user's partition is at least event time minus lateness."""
        self._beat(self._home(user_id)[0], self.event_time - self._lateness)

    def beat(self) -> None:
        """Let event time pass in the partitions that got no message since the last call."""
        for partition in range(self._topic.partitions):
            if partition not in self._spoken:
                self._beat(partition, self.event_time - self._lateness)
        self._spoken.clear()

    def check(self) -> None:
        """Look after what is on its way.

        Raises:
            BrokerError: something could not be delivered.
        """
        self._topic.check()

    def finish(self, closing: int | None) -> None:
        """Send what is left, then a heartbeat of ``closing`` (ms; None: none) to every partition; wait for delivery.

        Raises:
            BrokerError: something could not be delivered.
        """
        if self._envelopes is not None:
            for envelope in self._envelopes.rest():
                self._send_envelope(envelope)
        if closing is not None:
            for partition in range(self._topic.partitions):
                self._beat(partition, closing)
        self._topic.flush()

    def _beat(self, partition: int, promise: int) -> None:
        if not self._beats or promise <= self._promised[partition]:
            return
        self._promised[partition] = promise
        self._send(partition, None, contracts.encode(Heartbeat(heartbeat=promise)))

    def _send_envelope(self, envelope: Envelope) -> None:
        self.alone(envelope.user_id, envelope.encode())

    def _send(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        self._topic.send(partition, key, value)
        self.messages += 1
        self._spoken.add(partition)
        if self._guard is not None:
            self._guard.sent(partition, len(key or b"") + len(value or b""))

    def _home(self, user_id: str) -> tuple[int, bytes]:
        home = self._homes.get(user_id)
        if home is None:
            key = user_id.encode()
            home = self._homes[user_id] = (partition_of(key, self._topic.partitions), key)
        return home
