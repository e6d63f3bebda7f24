"""``mos serve`` as a user runs it: Ray, HAProxy, a real model and a real store, over HTTP."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from features.store import OnlineStore
from mos_online.ports import free_port
from mos_online.processes import living
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from tests.integration.serve_process import NOW, Serve, put_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve_http")]
"""Their service is a fixture of the file, and takes half a minute to start."""


class Hammer:
    """A client that never pauses; counts what it is answered."""

    def __init__(self, serve: Serve) -> None:
        self.seen: Counter[object] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(serve,))

    def _run(self, serve: Serve) -> None:
        with httpx.Client(base_url=serve.url, headers={"X-API-Key": "key"}, timeout=300) as client:
            while not self._stop.is_set():
                answer = client.post("/v1/recommend", json={"user_id": "u1", "k": 3})
                self.seen[answer.json()["model_version"] if answer.status_code == 200 else answer.text] += 1

    def __enter__(self) -> Hammer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    put_model(folder / "mos", seed=0)
    return folder


@pytest.fixture(scope="module")
def serve(home: Path) -> Iterator[Serve]:
    started = Serve(folder=home, port=free_port())
    try:
        yield started
        assert_that_sigterm_ends_everything(started)
    finally:
        if started.process.poll() is None:
            started.stop(signal.SIGKILL)
            started.until(lambda: not started.left())


def assert_that_sigterm_ends_everything(serve: Serve) -> None:
    """Not a test: the tests of a file run in any order, and each of them needs the service."""
    assert len(serve.left()) >= 8
    assert serve.stop(signal.SIGTERM) == 0
    assert serve.left() == []
    assert not serve.run.exists()
    assert list(serve.home.glob("serve-*.json")) == []
    assert "Traceback" not in serve.log()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{serve.url}/healthz")


def test_it_announces_itself_and_runs_on_haproxy(serve: Serve) -> None:
    assert f"POST {serve.url}/v1/recommend" in serve.log()
    assert "theme 1: " in serve.log()
    assert serve.running("gcs_server")
    assert serve.running("raylet")
    assert bool(serve.running("haproxy")) == (sys.platform == "linux")


def test_nothing_listens_beyond_this_machine_and_nobody_else_can_enter_its_folder(serve: Serve) -> None:
    listening: list[str] = []

    def note(process: psutil.Process) -> bool:
        found = [one for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        listening.extend(one.laddr.ip for one in found)
        return True

    service = psutil.Process(serve.process.pid)
    living([service, *service.children(recursive=True)], note)
    assert len(listening) >= 8
    assert set(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert serve.run.stat().st_mode & 0o077 == 0
    (proxy,) = serve.running("haproxy")
    assert Path(proxy.cmdline()[3]).is_relative_to(serve.run)


def test_answers_have_the_priority_of_the_service(serve: Serve) -> None:
    """Ray lets its processes yield to all others of the machine, by which a busy worker would delay answers."""
    service = psutil.Process(serve.process.pid)
    replicas = living(service.children(recursive=True), lambda p: "ServeReplica" in "".join(p.cmdline()[:1]))
    assert {replica.nice() for replica in replicas} == {service.nice()}


def test_it_answers_from_the_profile_in_the_store(serve: Serve) -> None:
    serve.until(lambda: serve.client.get("/readyz").status_code == 200)
    model = serve.client.get("/v1/model").json()
    profile = UserProfile(
        user_id="known",
        router_epoch=model["router_epoch"],
        item_ids=["a1", "a2", "a3"],
        timestamps=[NOW, NOW + 1, NOW + 2],
        categories=[None] * 3,
        session_lengths=[3],
        session_keys=[1],
        session_closes=[1],
        session_themes=[1],
        theme_sessions={1: 3},
        session_count=3,
        last_ended_at=NOW + 2,
        last_closed_at=NOW + 3,
        last_session_id="s",
    )
    store = OnlineStore.open(Settings(home=serve.home))
    store.write_profiles([profile])
    store.close()
    answer = serve.client.post("/v1/recommend", json={"user_id": "known", "k": 5}).json()
    assert answer["fallback"] is None
    assert len({item["item_id"] for item in answer["items"]}) == 5
    label = model["themes"][1]["label"]
    assert answer["themes"] == [{"theme": 1, "label": label, "share": 1.0, "sessions": 3}]
    assert answer["model_version"] == model["model_version"]


def test_unknown_users_and_items_are_answered(serve: Serve) -> None:
    unknown = {"user_id": "nobody", "exclude": ["never seen"]}
    events = [{"item_id": "never seen either", "timestamp": NOW}]
    both = serve.client.post("/v1/recommend/batch", json={"requests": [unknown, unknown | {"events": events}]})
    assert both.status_code == 200
    assert [len(answer["items"]) for answer in both.json()["responses"]] == [10, 10]
    assert [answer["fallback"]["reason"] for answer in both.json()["responses"]] == ["unknown_user", "no_known_items"]


def test_errors_pass_the_proxy_as_they_are(serve: Serve) -> None:
    big = b" " * (2 << 20)
    answers = {
        400: serve.client.post("/v1/recommend", content=b"{"),
        401: httpx.post(f"{serve.url}/v1/recommend", json={"user_id": "u"}),
        404: serve.client.get("/nothing/here"),
        405: serve.client.put("/v1/recommend"),
        413: serve.client.post("/v1/recommend", content=big),
        422: serve.client.post("/v1/recommend", json={"user_id": "u", "k": 1000}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"code", "message", "fix"}


def test_metrics_count_what_was_answered(serve: Serve) -> None:
    serve.client.post("/v1/recommend", json={"user_id": "u"})
    text = serve.client.get("/metrics").text
    assert 'mos_serving_requests_total{route="/v1/recommend",status="200"}' in text
    assert "mos_serving_store_read_duration_seconds_count" in text


def test_a_newly_trained_model_goes_into_service_without_a_dropped_request(serve: Serve) -> None:
    old = serve.client.get("/v1/model").json()["model_version"]
    with Hammer(serve) as hammer:
        new = put_model(serve.home, seed=1)
        assert new != old
        serve.until(lambda: hammer.seen[new] > 20)
    assert set(hammer.seen) == {old, new}


def test_kill_9_ends_everything_it_started_too_and_frees_the_port(tmp_path: Path) -> None:
    port = free_port()
    serve = Serve(folder=tmp_path, port=port, says="waiting for a model after")
    assert serve.stop(signal.SIGKILL) == -signal.SIGKILL
    serve.until(lambda: not serve.left())
    serve.until(lambda: not serve.run.exists() and not list(serve.home.glob("serve-*.json")))
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
