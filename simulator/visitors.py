"""Simulated visitors: before a click is published some of them ask for a recommendation, and the click is the label."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import httpx

from mos_online.baselines import LastItemKnn, RecentPopularity
from mos_online.contracts import Click, Recommendation
from mos_online.errors import ServingError
from mos_online.metrics import PrequentialJudge
from mos_online.ports import is_loopback

K = 10
INSIDE, START, NEXT = "inside_session", "session_start", "next_session"
MOS, POPULARITY, KNN = "mos", "popularity", "knn"


class Visitors:
    """Asks on behalf of visitors, and judges every answer by the user's next click.

    Asking is done before the click is published and waited for, so no answer can know its label. Both baselines
    answer at the same moment, with every click published until then.

    Args:
        url, api_key: of the recommendation service.
        gap: session gap, ms: when a visitor's in-session clicks start anew.
        every: one click in ``every`` is preceded by a request.
        popularity, knn: baselines, already fed with the clicks before the replay.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str | None,
        gap: int,
        every: int,
        popularity: RecentPopularity,
        knn: LastItemKnn,
    ) -> None:
        self.judge = PrequentialJudge()
        self.http_ms: list[float] = []
        self.fallbacks: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=5.0, trust_env=not is_loopback(url))
        self._gap = gap
        self._every = every
        self._popularity = popularity
        self._knn = knn
        self._open: dict[str, list[Click]] = {}
        self._waiting: dict[str, list[str]] = {}  # user -> requests of the topic whose label is the next click
        self._count = 0
        self._lock = threading.Lock()  # recommendations arrive in the observer's thread

    def before_click(self, click: Click) -> None:
        """Ask (for a sample of clicks), settle what waited for this click, then let the baselines learn it."""
        session = self._session_of(click)
        self._count += 1
        if self._count % self._every == 0:
            self._ask(click, session)
        with self._lock:
            for request_id in self._waiting.pop(click.user_id, ()):
                self.judge.settle(request_id, click.item_id)
            self._popularity.observe(click)
            self._knn.observe(click)
        session.append(click)

    def on_recommendation(self, recommendation: Recommendation) -> None:
        """Judge a record of the ``recommendations`` topic by the user's next click, if one comes."""
        user = recommendation.user_id
        with self._lock:
            rankings = {MOS: [item.item_id for item in recommendation.items], **self._baselines(user)}
            self.judge.ask(recommendation.request_id, user, NEXT, rankings)
            self._waiting.setdefault(user, []).append(recommendation.request_id)

    def close(self) -> None:
        """Close the connection to the service."""
        self._http.close()

    def _session_of(self, click: Click) -> list[Click]:
        session = self._open.get(click.user_id)
        if session is None or click.timestamp - session[-1].timestamp > self._gap:
            session = self._open[click.user_id] = []
        return session

    def _ask(self, click: Click, session: list[Click]) -> None:
        request_id = f"visit-{self._count}"
        body = {
            "user_id": click.user_id,
            "k": K,
            "timestamp": click.timestamp,
            "trigger": "test",
            "events": [_event(earlier) for earlier in session],
        }
        started = time.perf_counter()
        answer = self._post(body)
        if answer is None:
            return
        self.http_ms.append((time.perf_counter() - started) * 1000)
        if answer["fallback"] is not None:
            self.fallbacks[answer["fallback"]["reason"]] += 1
        with self._lock:
            rankings = {MOS: [item["item_id"] for item in answer["items"]], **self._baselines(click.user_id)}
            self.judge.ask(request_id, click.user_id, INSIDE if session else START, rankings)
            self.judge.settle(request_id, click.item_id)

    def _post(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None for a refusal under load or a broken connection, which is counted and reported."""
        try:
            answer = self._http.post("/v1/recommend", json=body)
        except httpx.TransportError as error:
            self.failures[type(error).__name__] += 1
            return None
        if answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            self.failures[str(answer.status_code)] += 1
            return None
        if answer.status_code != httpx.codes.OK:
            raise ServingError(f"POST /v1/recommend answered {answer.status_code}: {answer.text[:500]}")
        return dict(answer.json())

    def _baselines(self, user_id: str) -> dict[str, list[str]]:
        return {POPULARITY: self._popularity.top(K), KNN: self._knn.top(user_id, K)}


def _event(click: Click) -> dict[str, Any]:
    event: dict[str, Any] = {"item_id": click.item_id, "timestamp": click.timestamp, "event_type": click.event_type}
    if click.context:
        event["context"] = click.context
    return event
