"""Simulated visitors: before a click is published some of them ask for a recommendation, and the click is the label."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from mos_online.contracts import Click, Recommendation
from mos_online.errors import ServingError
from mos_online.ports import is_loopback

K = 10
INSIDE, START, NEXT = "inside_session", "session_start", "next_session"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An answer of the service, and what the user clicked next.

    Attributes:
        user_id: who asked.
        kind: ``INSIDE``, ``START`` or ``NEXT``.
        items: the answer, best first.
        counted_to: event time (ms) up to which the service had counted clicks: the newer one of popularity and
            co-clicks.
        published: how many clicks had been published when the answer came.
        label: the item that was clicked.
    """

    user_id: str
    kind: str
    items: list[str]
    counted_to: int
    published: int
    label: str


class Visitors:
    """Asks on behalf of visitors, and notes every answer with the user's next click.

    Asking is done before the click is published and waited for, so no answer can know its label.

    Attributes:
        asked: answers whose label has come.
        http_ms: how long each answer took.
        popularity_age_ms, co_clicks_age_ms: for each of them, how long before (in event time) the oldest click was
            that was published and not counted; 0 if all were counted.
        fallbacks, failures: answers that were not the model's best, and requests without an answer, by reason.
        ranked: event times (ms) of the answers that are the model's.
        arms: users who were answered, and the arm of each answer as "experiment/arm"; None for an answer in none.
    """

    def __init__(self, *, url: str, api_key: str | None, gap: int, every: int) -> None:
        """Connect when it is needed.

        Args:
            url: of the recommendation service.
            api_key: for it.
            gap: session gap, ms: when a visitor's in-session clicks start anew.
            every: one click in ``every`` is preceded by a request.
        """
        self.asked: list[Asked] = []
        self.http_ms: list[float] = []
        self.popularity_age_ms: list[int] = []
        self.co_clicks_age_ms: list[int] = []
        self.fallbacks: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.ranked: list[int] = []
        self.arms: set[tuple[str, str | None]] = set()
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=5.0, trust_env=not is_loopback(url))
        self._gap = gap
        self._every = every
        self._open: dict[str, list[Click]] = {}
        self._waiting: dict[str, list[tuple[Recommendation, int]]] = {}  # user -> those whose label is the next click
        self._times: list[int] = []  # of the clicks that are published, ascending
        self._lock = threading.Lock()  # recommendations arrive in the observer's thread

    def before_click(self, click: Click) -> None:
        """Ask (for a sample of clicks), and settle what waited for this click, which is then published."""
        session = self._session_of(click)
        if (len(self._times) + 1) % self._every == 0:
            self._ask(click, session)
        with self._lock:
            for answer, published in self._waiting.pop(click.user_id, ()):
                items = [item.item_id for item in answer.items]
                counted_to = max(answer.popularity_as_of, answer.co_clicks_as_of)
                self._note(click, NEXT, items, counted_to, published)
            self._times.append(click.timestamp)
        session.append(click)

    def on_recommendation(self, recommendation: Recommendation) -> None:
        """Note a record of the ``recommendations`` topic; its label is the user's next click, if one comes."""
        with self._lock:
            self._waiting.setdefault(recommendation.user_id, []).append((recommendation, len(self._times)))

    def close(self) -> None:
        """Close the connection to the service."""
        self._http.close()

    def _session_of(self, click: Click) -> list[Click]:
        session = self._open.get(click.user_id)
        if session is None or click.timestamp - session[-1].timestamp > self._gap:
            session = self._open[click.user_id] = []
        return session

    def _ask(self, click: Click, session: list[Click]) -> None:
        body = {
            "user_id": click.user_id,
            "k": K,
            "timestamp": click.timestamp,
            "events": [_event(earlier) for earlier in session],
        }
        started = time.perf_counter()
        answer = self._post(body)
        if answer is None:
            return
        self.http_ms.append((time.perf_counter() - started) * 1000)
        if answer["fallback"] is not None:
            self.fallbacks[answer["fallback"]["reason"]] += 1
        else:
            self.ranked.append(click.timestamp)
        arms: list[str | None] = [f"{one['experiment']}/{one['arm']}" for one in answer["assignments"]]
        self.arms.update((click.user_id, arm) for arm in arms or [None])
        popularity, co_clicks = answer["popularity_as_of"], answer["co_clicks_as_of"]
        self.popularity_age_ms.append(self._age(click, popularity))
        self.co_clicks_age_ms.append(self._age(click, co_clicks))
        items = [item["item_id"] for item in answer["items"]]
        with self._lock:
            self._note(click, INSIDE if session else START, items, max(popularity, co_clicks), len(self._times))

    def _age(self, click: Click, counted_to: int) -> int:
        first = bisect_right(self._times, counted_to)
        return click.timestamp - self._times[first] if first < len(self._times) else 0

    def _note(self, click: Click, kind: str, items: list[str], counted_to: int, published: int) -> None:
        self.asked.append(
            Asked(
                user_id=click.user_id,
                kind=kind,
                items=items,
                counted_to=counted_to,
                published=published,
                label=click.item_id,
            )
        )

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


def _event(click: Click) -> dict[str, Any]:
    event: dict[str, Any] = {"item_id": click.item_id, "timestamp": click.timestamp, "event_type": click.event_type}
    if click.context:
        event["context"] = click.context
    return event
