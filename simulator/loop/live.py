"""The loop through a running system: users ask over HTTP, and what they do goes through Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from mos_online.contracts import Click
from mos_online.recommend.query import Query
from simulator.loop.planted import arms_of, effects_of
from simulator.loop.service import MOST_REQUESTS, AwayError, SiteClient
from simulator.loop.visitors import Visitors
from simulator.replay.replay import WallClock
from simulator.replay.speed import Speed

Result = TypeVar("Result")

SPAN = 2_000
"""Event time (ms) of the requests of one call: within the lateness of sessions, order does not count."""
RETRY, REPORT = 1.0, 0.2
"""Seconds between tries while the service is away; and between reports."""


@dataclass(kw_only=True)
class Tally:
    """What has happened in a run.

    Attributes:
        requests: lists that were asked for and came.
        fallbacks: of them, by popularity.
        clicks: on items of lists.
        ndcg: sum over the lists.
        impressions_sent, clicks_sent: given to the service.
        impressions_taken, clicks_taken: acknowledged: Kafka has them.
        tries: calls that had to be made again.
        away: seconds that the service was away.
        event_time: of the newest request, ms since epoch.
        by_model: lists by "model version, router version".
        by_arm: lists, and clicks on them, by "experiment/arm".
        missing: why the service does not answer now; "" while it does.
    """

    requests: int = 0
    fallbacks: int = 0
    clicks: int = 0
    ndcg: float = 0.0
    impressions_sent: int = 0
    clicks_sent: int = 0
    impressions_taken: int = 0
    clicks_taken: int = 0
    tries: int = 0
    away: float = 0.0
    event_time: int = -1
    by_model: dict[str, int] = field(default_factory=dict)
    by_arm: dict[str, tuple[int, int]] = field(default_factory=dict)
    missing: str = ""


class LiveLoop:
    """Users of a running service, at a pace.

    The events of a call are sent before the next one is made, and those of a user are in order. While the service is
    away the same call is made again, and the pace goes on from there: nothing is left out or counted twice.

    Attributes:
        tally: what has happened so far.
    """

    def __init__(
        self,
        visitors: Visitors,
        client: SiteClient,
        *,
        speed: Speed,
        name: str,
        say: Callable[[str], None],
        effects: Mapping[str, float] | None = None,
        clock: WallClock | None = None,
    ) -> None:
        """Let visitors use a service.

        Args:
            visitors: who asks.
            client: of the service.
            speed: "60x" is event time to time, "50/s" is requests per second.
            name: of the run: the beginning of the ids of its requests.
            say: is given a line when the service goes away, and when it is back.
            effects: planted in arms, by "experiment/arm"; none by default.
            clock: the wall clock; a test puts one of its own in its place.
        """
        self._visitors, self._client, self._speed = visitors, client, speed
        self._name, self._say, self._clock = name, say, clock or WallClock()
        self._effects = dict(effects or {})
        self.tally = Tally()
        self._started = self._reported = 0.0
        self._on_progress: Callable[[Tally], None] = lambda _: None

    def run(self, duration: int, on_progress: Callable[[Tally], None] = lambda _: None) -> Tally:
        """Let ``duration`` ms of event time pass, or less if nobody asks any more. Use it once.

        Args:
            duration: ms.
            on_progress: is shown the tally about five times a second.

        Raises:
            ServingError: the service refuses a request: it will never answer it.
        """
        end, self._on_progress = self._visitors.begin + duration, on_progress
        self._started = self._reported = self._clock.monotonic()
        while (due := self._visitors.due) is not None and due < end:
            self._wait_until(due)
            self._answer(self._visitors.ask(MOST_REQUESTS, min(due + SPAN, end)))
        return self.tally

    def _wait_until(self, due: int) -> None:
        """Sleep until the request of this event time (ms) is due."""
        after = 0.0
        if self._speed.kind == "times":
            after = (due - self._visitors.begin) / (1000.0 * self._speed.value)
        elif self._speed.kind == "rate":
            after = self.tally.requests / self._speed.value
        while (left := self._started + after - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, REPORT))
            self._report()

    def _answer(self, queries: Sequence[Query]) -> None:
        tally, visitors = self.tally, self._visitors
        names = [f"{self._name}-{tally.requests + row}" for row in range(len(queries))]
        responses = self._patiently(lambda: self._client.ask(queries, names))
        lists = [[item.item_id for item in response.items] for response in responses]
        ndcg = visitors.judge(lists).ndcg
        assigned = [response.assignments for response in responses]
        answers = visitors.answer(names, lists, effects_of(assigned, self._effects))
        reports = [report for some in answers.reports for report in some]
        reports.sort(key=lambda report: report.timestamp)
        clicks = sum(isinstance(report, Click) for report in reports)
        tally.impressions_sent += len(reports) - clicks
        tally.clicks_sent += clicks
        taken = self._patiently(lambda: self._client.send(reports))
        tally.impressions_taken += taken.impressions
        tally.clicks_taken += taken.clicks
        tally.requests += len(queries)
        tally.fallbacks += sum(response.fallback is not None for response in responses)
        tally.clicks += int(answers.clicks.sum())
        tally.ndcg += float(ndcg.sum())
        tally.event_time = queries[-1].timestamp
        for response in responses:
            versions = f"{response.model_version}, {response.router_version}"
            tally.by_model[versions] = tally.by_model.get(versions, 0) + 1
        for some, clicked in zip(assigned, answers.clicks.tolist(), strict=True):
            for arm in arms_of(some):
                shown, before = tally.by_arm.get(arm, (0, 0))
                tally.by_arm[arm] = shown + 1, before + clicked
        self._report()

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """Make a call until the service answers; the pace goes on from there."""
        tally, clock, since = self.tally, self._clock, self._clock.monotonic()
        while True:
            try:
                result = call()
            except AwayError as error:
                if not tally.missing:
                    self._say(f"{error}; trying again until it does")
                tally.missing = str(error)
                tally.tries += 1
                clock.sleep(RETRY)
                self._report()
                continue
            if tally.missing:
                tally.missing = ""
                gone = clock.monotonic() - since
                tally.away += gone
                self._started += gone
                self._say(f"the service answers again after {gone:.0f} s")
            return result

    def _report(self) -> None:
        if (now := self._clock.monotonic()) - self._reported >= REPORT:
            self._reported = now
            self._on_progress(self.tally)
