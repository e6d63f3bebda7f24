"""The log of what the service has answered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from mos_online import contracts
from mos_online.contracts import Decision
from mos_online.settings import Settings
from serving.feedback.publisher import Publisher
from serving.metrics import Metrics

log = logging.getLogger(__name__)


class DecisionLog(Protocol):
    """Takes every answer, on the event loop: it must return within microseconds and raise nothing."""

    def put(self, decisions: Sequence[Decision]) -> None:
        """Note what was answered."""


class NoDecisionLog:
    """Takes nothing (MOS_DECISIONS=false)."""

    def put(self, decisions: Sequence[Decision]) -> None:
        """Forget them."""


class KafkaDecisionLog:
    """Publishes decisions; drops and counts those for which there is no room, and those that Kafka does not take."""

    def __init__(self, publisher: Publisher, settings: Settings, metrics: Metrics) -> None:
        self._publisher = publisher
        self._topic = settings.topic(contracts.DECISIONS)
        self._metrics = metrics

    def put(self, decisions: Sequence[Decision]) -> None:
        """Publish them soon."""
        try:
            for one in decisions:
                if not self._publisher.send(self._topic, one.user_id.encode(), contracts.encode(one), self._done):
                    self._metrics.decided("no_room")
        except Exception:  # an answer must not fail because it cannot be logged
            log.exception("a decision is not logged")
            self._metrics.decided("failed")

    def _done(self, error: str | None) -> None:
        self._metrics.decided("logged" if error is None else "not_delivered")
