"""Each stream processor in a world of its own, so that one suite can be run over all of them."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mos_online import contracts
from mos_online.contracts import (
    AcceptedClick,
    AcceptedClicks,
    ClickEnvelope,
    Decision,
    Session,
    SessionEmbedding,
    SessionEvent,
)
from mos_online.feedback.joiner import Joiner
from mos_online.items.partition_count import PartitionCount
from mos_online.sessions import Sessionizer
from mos_online.settings import Settings
from mos_online.users.update import apply_sessions
from streams.kafka.records import Record
from streams.processors import base, popularity, profiler, recommender
from streams.processors.base import Processor, WorkerContext
from streams.processors.joiner import processor as joiner_processor
from streams.processors.sessionizer import processor as sessionizer_processor
from tests.published_model import publish_model
from tests.streams.stream_doubles import Log, Producer, Store

NOW = 1_700_000_000_000
HOUR = 3_600_000
PRESENT = time.time_ns() // 1_000_000
"""When nobody can be later and be believed: a later click would let the others fade away."""

PARTITION = 1
CLOSABLE_AT = b"%d" % PRESENT
HEADERS = (("closable_at", CLOSABLE_AT),)
GOOD = b"a value that the processor can use"


class Case(ABC):
    """One processor, and what a test must know of it.

    Attributes:
        failures: the errors with which it stopped the worker.
        needs: the service without which it waits; None if there is none.
        refused: the reason of a dead letter for a record on which ``poison`` makes it fail.
        publishes: whether its work is to publish.
    """

    needs: str | None = None
    refused = "internal_error"
    publishes = True

    def __init__(self, home: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.folder, self.monkeypatch = home, folder, monkeypatch
        self.failures: list[Exception] = []
        self.producer = Producer()
        monkeypatch.setattr(base, "RecordProducer", lambda *_, **__: self.producer)
        self.prepare()
        self.processor = self.build(WorkerContext(settings=home, fail=self.failures.append))

    @abstractmethod
    def prepare(self) -> None:
        """Put doubles in place of other services."""

    @abstractmethod
    def build(self, context: WorkerContext) -> Processor[Any]:
        """The processor."""

    @abstractmethod
    def value(self, user: str, number: int) -> bytes:
        """What the ``number``-th good record says of a user."""

    @abstractmethod
    def poison(self, user: str) -> None:
        """Make the work on records of a user fail for good."""

    @abstractmethod
    def outage(self, *, down: bool) -> None:
        """Take away or bring back what it needs."""

    @abstractmethod
    def done(self) -> set[str]:
        """The users whose records have been worked off."""

    def record(self, offset: int, user: str, value: bytes | None = GOOD) -> Record:
        """The record at an offset of its topic, by default a good one."""
        return Record(
            topic=self.processor.topic,
            partition=PARTITION,
            offset=offset,
            key=user.encode(),
            value=self.value(user, offset) if value is GOOD else value,
            timestamp=NOW + offset,
            headers=HEADERS,
        )


class SessionizerCase(Case):
    """Its good records are two clicks of a user, so far apart that the second closes the session of the first."""

    def prepare(self) -> None:
        self.log = Log()
        self.log.producer = self.producer
        self.monkeypatch.setattr(sessionizer_processor, "LogReader", lambda _: self.log)

    def build(self, context: WorkerContext) -> Processor[Any]:
        return sessionizer_processor.SessionizerProcessor(context)

    def value(self, user: str, number: int) -> bytes:
        times = [NOW - 1000 * HOUR + (2 * number + half) * HOUR for half in (0, 1)]
        clicks = [SessionEvent(event_id=f"{user}-{time}", item_id="a", timestamp=time) for time in times]
        return contracts.encode(ClickEnvelope(user_id=user, clicks=clicks))

    def poison(self, user: str) -> None:
        process = Sessionizer.process

        def fails(self: Sessionizer, message: Any, **options: Any) -> Any:
            if isinstance(message, list) and message[0].user_id == user:
                raise RuntimeError("of a test")
            return process(self, message, **options)

        self.monkeypatch.setattr(Sessionizer, "process", fails)

    def outage(self, *, down: bool) -> None:
        self.log.up.clear() if down else self.log.up.set()

    def done(self) -> set[str]:
        return set(self.producer.keys(contracts.SESSIONS))


class ProfilerCase(Case):
    needs = "the store is down"

    def prepare(self) -> None:
        self.store = Store()
        self.monkeypatch.setattr("streams.processors.profiler.OnlineStore.open", lambda _: self.store)
        self.log = Log()
        self.log.up.set()
        self.monkeypatch.setattr("streams.processors.profile_progress.LogReader", lambda _: self.log)
        publish_model(self.folder, self.settings)

    def build(self, context: WorkerContext) -> Processor[Any]:
        return profiler.ProfilerProcessor(context)

    def value(self, user: str, number: int) -> bytes:
        time = NOW - 1000 * HOUR + number
        event = SessionEvent(event_id=f"e{number}", item_id="a", timestamp=time)
        session = Session(
            session_id=f"{user}:{time}:e{number}",
            user_id=user,
            started_at=time,
            ended_at=time,
            events=[event],
            close_reason="gap",
            watermark=time + 1,
        )
        return contracts.encode(session)

    def poison(self, user: str) -> None:
        def fails(sessions: list[Session], *arguments: Any) -> Any:
            if any(session.user_id == user for session in sessions):
                raise RuntimeError("of a test")
            return apply_sessions(sessions, *arguments)

        self.monkeypatch.setattr("streams.processors.profiler.apply_sessions", fails)

    def outage(self, *, down: bool) -> None:
        self.store.down = down

    def done(self) -> set[str]:
        embedded = set(self.producer.keys(contracts.SESSION_EMBEDDINGS))
        assert embedded <= self.store.profiles.keys()
        return embedded


class PopularityCase(Case):
    """Its good records are accepted clicks of a user on the item of the same name."""

    needs = "the store is down"
    publishes = False

    def prepare(self) -> None:
        self.store, self.log = Store(), Log()
        self.log.up.set()
        self.log.end = 1000
        self.monkeypatch.setattr("streams.processors.popularity.LogReader", lambda _: self.log)
        self.monkeypatch.setattr("streams.processors.popularity.OnlineStore.open", lambda _: self.store)
        for period in ("PERIOD", "CO_CLICK_PERIOD"):  # whoever runs a timer wants a row
            self.monkeypatch.setattr(f"streams.processors.popularity.{period}", 0.0)
        publish_model(self.folder, self.settings)

    def build(self, context: WorkerContext) -> Processor[Any]:
        return popularity.PopularityProcessor(context)

    def value(self, user: str, number: int) -> bytes:
        click = AcceptedClick(1000 * number, PRESENT - HOUR + number, 1.0, user, user)
        return contracts.encode(AcceptedClicks.of("a log", [click]))

    def poison(self, user: str) -> None:
        take = PartitionCount.take

        def fails(self: PartitionCount, message: AcceptedClicks, *, offset: int) -> None:
            if message.users[0] == user:
                raise RuntimeError("of a test")
            take(self, message, offset=offset)

        self.monkeypatch.setattr(PartitionCount, "take", fails)

    def outage(self, *, down: bool) -> None:
        self.store.down = down

    def done(self) -> set[str]:
        assert isinstance(self.processor, popularity.PopularityProcessor)
        counted = [counts.snapshot().item_ids for counts in self.processor._counts.values()]
        written = [snapshot.item_ids for snapshot in self.store.popularity.values()]
        return {item for items in (*counted, *written) for item in items}


class JoinerCase(Case):
    """Its good records are decisions of a user; it publishes nothing before their windows have closed."""

    publishes = False

    def prepare(self) -> None:
        self.log = Log()
        self.log.producer = self.producer
        self.monkeypatch.setattr(joiner_processor, "LogReader", lambda _: self.log)

    def build(self, context: WorkerContext) -> Processor[Any]:
        return joiner_processor.JoinerProcessor(context)

    def value(self, user: str, number: int) -> bytes:
        decision = Decision(
            request_id=f"r{number}",
            user_id=user,
            timestamp=PRESENT - HOUR + number,
            trigger="request",
            items=[],
            candidates=1,
            model_version="m",
            router_version="r",
            fallback=None,
        )
        return contracts.encode(decision)

    def poison(self, user: str) -> None:
        take = Joiner.take_decision

        def fails(self: Joiner, decision: Decision, offset: int) -> None:
            if decision.user_id == user:
                raise RuntimeError("of a test")
            take(self, decision, offset)

        self.monkeypatch.setattr(Joiner, "take_decision", fails)

    def outage(self, *, down: bool) -> None:
        self.log.up.clear() if down else self.log.up.set()

    def done(self) -> set[str]:
        assert isinstance(self.processor, joiner_processor.JoinerProcessor)
        partitions = self.processor._partitions.values()
        return {user for partition in partitions for user, _ in partition.joiner._decisions}


class RecommenderCase(Case):
    needs = "status 503"
    refused = "request_refused"

    def prepare(self) -> None:
        self.poisoned: str | None = None
        self.down = False
        client, transport = httpx.AsyncClient, httpx.MockTransport(self._respond)
        self.monkeypatch.setattr(
            "streams.processors.serving_client.httpx.AsyncClient",
            lambda **options: client(**options, transport=transport),
        )

    def _respond(self, request: httpx.Request) -> httpx.Response:
        requests = json.loads(request.content)["requests"]
        users = [asked["user_id"] for asked in requests]
        if self.down:
            return httpx.Response(503)
        if self.poisoned in users:
            return httpx.Response(422)
        rest: dict[str, Any] = {"items": [], "themes": [], "assignments": [], "fallback": None}
        rest |= {"model_version": "m", "router_version": "r"}
        answers = [{"request_id": asked["request_id"], "user_id": asked["user_id"], **rest} for asked in requests]
        return httpx.Response(200, json={"responses": answers})

    def build(self, context: WorkerContext) -> Processor[Any]:
        return recommender.RecommenderProcessor(context)

    def value(self, user: str, number: int) -> bytes:
        embedding = SessionEmbedding(
            session_id=f"s{number}",
            user_id=user,
            ended_at=NOW,
            closed_at=NOW,
            embedding=[1.0],
            theme=0,
            theme_weights=[],
            router_version="r",
        )
        return contracts.encode(embedding)

    def poison(self, user: str) -> None:
        self.poisoned = user

    def outage(self, *, down: bool) -> None:
        self.down = down

    def done(self) -> set[str]:
        return set(self.producer.keys(contracts.RECOMMENDATIONS))


CASES: dict[str, Callable[[Settings, Path, pytest.MonkeyPatch], Case]] = {
    "sessionizer": SessionizerCase,
    "profiler": ProfilerCase,
    "popularity": PopularityCase,
    "recommender": RecommenderCase,
    "joiner": JoinerCase,
}
"""By the name of the processor."""
