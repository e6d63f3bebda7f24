"""Profiler and recommender as a real worker, with SQLite and a small HTTP server for the service."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Recommendation, Session, SessionEvent
from mos_online.health import Health
from mos_online.registry import open_registry
from tests.integration.stream_system import stop, stream_system
from tests.model_folder import put_into_service, unchecked, write_config
from tests.published_model import publish_model

pytestmark = pytest.mark.slow


class Service(BaseHTTPRequestHandler):
    """Is overloaded at first, refuses the user "bad", and recommends item "x" to everyone else."""

    calls = 0

    def do_POST(self) -> None:
        Service.calls += 1
        requests = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["requests"]
        status, body = 200, {}
        if Service.calls == 1:
            status = 503
        elif any(r["user_id"] == "bad" for r in requests):
            status = 400
        else:
            item = {"item_id": "x", "score": 1.0, "theme": 1, "theme_label": "l"}
            fixed = {"items": [item], "model_version": "m", "router_version": "r", "fallback": None}
            fixed |= {"assignments": []}
            answers = [fixed | {name: r[name] for name in ("request_id", "user_id")} for r in requests]
            body = {"responses": answers}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        pass


def session_of(user: str, number: int) -> Session:
    event = SessionEvent(event_id=f"e{number}", item_id="ab"[number % 2], timestamp=10**12 + number)
    return Session(
        session_id=f"{user}:{event.timestamp}:{event.event_id}",
        user_id=user,
        started_at=event.timestamp,
        ended_at=event.timestamp,
        events=[event],
        close_reason="gap",
        watermark=event.timestamp + 1,
    )


def test_a_model_that_cannot_be_read_is_told_and_the_old_one_works_on(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with stream_system(tmp_path / "mos", free_port()) as system:
        old = publish_model(tmp_path / "model", system.settings)
        worker = system.worker("sessionizer,popularity,profiler")
        assert system.healthz() == Health(program="worker", status="alive")
        registry = open_registry(system.settings)
        bad = write_config(tmp_path / "bad", "m2")
        put_into_service(registry, bad)  # without a router, which the profiler needs; popularity does not
        system.until(lambda: "router" in "".join(system.healthz().details), "the problem is told")
        assert system.healthz().details[0].startswith("profiler stays with an older model: ")
        system.until(lambda: system.metric("mos_consumer_stale_model_info", processor="profiler") == 1, "it is counted")
        assert system.metric("mos_consumer_stale_model_info", processor="popularity") == 0
        system.send(contracts.SESSIONS, [("u", contracts.encode(session_of("u", 1)))])
        system.until(lambda: system.records(contracts.SESSION_EMBEDDINGS) != [], "the old model works on")
        (embedding,) = system.records(contracts.SESSION_EMBEDDINGS)
        assert json.loads(embedding.value or b"")["router_version"] == old.version
        registry.rollback(unchecked)
        system.until(lambda: not system.healthz().details, "all is well again")
        system.until(lambda: system.metric("mos_consumer_stale_model_info", processor="profiler") == 0, "and counted")
        assert stop(worker) == 0


def test_sessions_become_profiles_and_recommendations(tmp_path: Path, free_port: Callable[[], int]) -> None:
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with stream_system(tmp_path / "mos", free_port(), MOS_SERVE_URL=url) as system:
        router = publish_model(tmp_path / "model", system.settings)
        sessions = []
        for number, user in enumerate(["u", "v", "u", "bad"]):
            sessions.append(session_of(user, number))
        worker = system.worker("profiler,recommender")
        system.send(contracts.SESSIONS, [(s.user_id, contracts.encode(s)) for s in sessions])
        system.send(contracts.SESSIONS, [("u", b"no session"), ("u", contracts.encode(sessions[2]))])  # and a repeat
        system.until(lambda: len(system.records(contracts.RECOMMENDATIONS)) >= 4, "there are recommendations")
        system.until(lambda: len(system.records(contracts.DEAD_LETTERS)) >= 2, "there are dead letters")
        records = system.records(contracts.RECOMMENDATIONS)
        found = [msgspec.json.decode(r.value or b"", type=Recommendation) for r in records]
        assert {f.request_id for f in found} == {f"rec-{s.session_id}" for s in sessions[:3]}
        assert found[0].items[0].item_id == "x"
        assert {json.loads(r.value or b"")["reason"] for r in system.records(contracts.DEAD_LETTERS)} == {
            "not_json",
            "request_refused",
        }
        assert system.metric("mos_consumer_retries_total") >= 1
        store = OnlineStore.open(system.settings)
        profile = store.read_profiles(["u"])["u"]
        assert (profile.session_count, profile.router_epoch) == (2, router.epoch)
        assert profile.item_ids == ["a", "a"]
        assert stop(worker) == 0
    server.shutdown()
    server.server_close()
