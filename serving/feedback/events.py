"""Publishes the events of a request, and says when Kafka has all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mos_online import contracts
from mos_online.contracts import Click, Impression
from mos_online.errors import BrokerUnavailableError
from mos_online.settings import Settings
from serving.feedback.publisher import Publisher

SECONDS = 5.0
"""So long a request waits for Kafka."""


class EventPublisher:
    """Publishes clicks and impressions with their users as keys."""

    def __init__(self, publisher: Publisher, settings: Settings) -> None:
        self._publisher = publisher
        self._clicks = settings.topic(contracts.CLICKS)
        self._impressions = settings.topic(contracts.IMPRESSIONS)

    async def publish(self, clicks: Sequence[Click], impressions: Sequence[Impression]) -> None:
        """Publish, and wait until all are on their topics.

        Raises:
            BrokerUnavailableError: at least one may not be. Others may be: who sends all of them again repeats those,
                and a repeated ``event_id`` counts once.
        """
        records: list[tuple[str, Click | Impression]] = [(self._clicks, click) for click in clicks]
        records += [(self._impressions, impression) for impression in impressions]
        delivery = _Delivery(len(records))
        for topic, event in records:
            if not self._publisher.send(topic, event.user_id.encode(), contracts.encode(event), delivery.done):
                raise BrokerUnavailableError(self._publisher.trouble or "too many events wait for Kafka already")
        try:
            async with asyncio.timeout(SECONDS):
                error = await delivery.future
        except TimeoutError:
            raise BrokerUnavailableError(f"Kafka has not taken all events within {SECONDS:g} s") from None
        if error is not None:
            raise BrokerUnavailableError(f"Kafka has not taken an event: {error}")


class _Delivery:
    """Records of which the last one to be reported, in a thread of the producer, tells the event loop."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[str | None] = self._loop.create_future()
        self._left = count
        self._error: str | None = None

    def done(self, error: str | None) -> None:
        """One of them is on its topic, or never will be. Called by one thread only."""
        self._error = self._error or error
        self._left -= 1
        if self._left == 0:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(self._error)
