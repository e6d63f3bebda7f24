"""Clients of a running `mos serve` that ask all the time, and what each answer was made by."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from mos_online.settings import Settings


class Answered(NamedTuple):
    """One answer.

    Attributes:
        asked: moment of the monotonic clock.
        seconds: until the answer was there.
        status: of HTTP.
        made_by: a version; None if the status is not 200.
    """

    asked: float
    seconds: float
    status: int
    made_by: str | None


class AskingClients:
    """Connections that each ask again after a pause. A connection that breaks ends the benchmark.

    Attributes:
        answers: so far, roughly in the order in which they came.
    """

    def __init__(self, settings: Settings, count: int, *, key: str, pause: float = 0.0) -> None:
        """Begin to ask.

        Args:
            settings: of the service.
            count: of connections.
            key: the field of an answer that says what made it.
            pause: seconds from an answer to the next question.
        """
        self.answers: list[Answered] = []
        self._key, self._pause = key, pause
        self._address = urlsplit(settings.recommend_url)
        self._headers = {"content-type": "application/json"}
        if settings.api_key:
            self._headers["x-api-key"] = settings.api_key
        self._stopped = threading.Event()
        self._broken: list[Exception] = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the last answers.

        Raises:
            OSError, HTTPException: a request got no answer.
        """
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        if self._broken:
            raise self._broken[0]

    def _work(self, number: int) -> None:
        try:
            self._ask(number)
        except (OSError, http.client.HTTPException) as error:
            self._broken.append(error)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port or 80)
        rng = random.Random(number)
        while not self._stopped.is_set():
            body = json.dumps({"user_id": f"u{rng.randrange(1000)}", "k": 10, "trigger": "test"})
            asked = time.monotonic()
            connection.request("POST", "/v1/recommend", body, self._headers)
            answer = connection.getresponse()
            content = answer.read()
            made_by = json.loads(content)[self._key] if answer.status == 200 else None
            self.answers.append(Answered(asked, time.monotonic() - asked, answer.status, made_by))
            if self._pause:
                time.sleep(self._pause)
