"""Whether Kafka can be used as it is: it answers, our topics are there, and they have the partitions that they need."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mos_online.errors import BrokerUnavailableError, MosError
from mos_online.kafka_config import librdkafka_config, require_same_broker
from mos_online.settings import Settings
from streams.kafka.admin import CheckedTopics, check_topics
from streams.processors.retry import FIRST, LONGEST

PERIOD = 5.0
"""Seconds between two looks."""

log = logging.getLogger(__name__)


class BrokerWatch:
    """Waits for Kafka at the start, and looks again and again from then on.

    What it finds is for /healthz, and for topics that have to grow. The processors see to their own work: a broker
    that goes away ends none of them.

    Args:
        settings: where Kafka is, and the names of the topics.
        check: what is asked of Kafka.

    Attributes:
        trouble: why Kafka cannot be used now; None if it can.
        warning: what an operator should mend in the topics; None if nothing is known.
    """

    def __init__(self, settings: Settings, check: Callable[[Settings], CheckedTopics] = check_topics) -> None:
        self.trouble: str | None = "it has not answered yet"
        self.warning: str | None = None
        self._settings = settings
        self._check = check
        self._address: str | int = ""

    async def ready(self) -> int:
        """Wait until Kafka can be used; gives the partitions of ``clicks``.

        Raises:
            BrokerError, SettingsError: no waiting mends it.
        """
        pause = FIRST
        while True:
            try:
                topics = await asyncio.to_thread(self._check, self._settings)
            except BrokerUnavailableError as error:
                self._note(str(error))
            else:
                self._note(None)
                self._warn(topics.warning)
                self._address = librdkafka_config(self._settings)["bootstrap.servers"]
                return topics.partitions
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)

    async def run(self) -> None:
        """Look again and again.

        Raises:
            BrokerError: the embedded broker has been started anew.
        """
        while True:
            await asyncio.sleep(PERIOD)
            try:
                topics = await asyncio.to_thread(self._check, self._settings)
            except MosError as error:
                self._note(str(error))
            else:
                self._note(None)
                self._warn(topics.warning)
                require_same_broker(self._settings, self._address)

    def _note(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            log.warning("waiting for Kafka: %s", trouble)
        elif trouble is None and self._address and self.trouble is not None:
            log.warning("Kafka is back")
        self.trouble = trouble

    def _warn(self, warning: str | None) -> None:
        if warning is not None and warning != self.warning:
            log.warning("%s", warning)
        self.warning = warning
