"""Profiler and recommender as a real worker, with SQLite and a small HTTP server for the service."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from published_model import publish_model
from stream_system import stop, stream_system

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Recommendation, Session, SessionEvent

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
            fixed |= {"experiment": None, "arm": None}
            answers = [fixed | {name: r[name] for name in ("request_id", "user_id")} for r in requests]
            body = {"responses": answers}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        pass


def test_sessions_become_profiles_and_recommendations(tmp_path: Path, free_port: Callable[[], int]) -> None:
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with stream_system(tmp_path / "mos", free_port(), MOS_SERVE_URL=url) as system:
        router = publish_model(tmp_path / "model", system.settings.models_dir)
        sessions = []
        for number, user in enumerate(["u", "v", "u", "bad"]):
            event = SessionEvent(event_id=f"e{number}", item_id="ab"[number % 2], timestamp=10**12 + number)
            time = event.timestamp
            sessions.append(
                Session(
                    session_id=f"{user}:{time}:{event.event_id}",
                    user_id=user,
                    started_at=time,
                    ended_at=time,
                    events=[event],
                    close_reason="gap",
                    watermark=time + 1,
                )
            )
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
        assert (profile.session_count, profile.router_version) == (2, router.version)
        assert profile.item_ids == ["a", "a"]
        assert stop(worker) == 0
    server.shutdown()
    server.server_close()
