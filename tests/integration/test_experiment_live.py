"""An experiment on the real service with two replicas: started and stopped under load, and logged on Kafka."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import Assignment, Decision
from mos_online.experiments.reading import parse_plan
from mos_online.experiments.treatment import Treatments
from mos_online.recommend.probe import check_model
from mos_online.registry import Registry
from tests.integration.serve_process import Serve, put_model
from tests.integration.stream_system import StreamSystem, stream_system

pytestmark = pytest.mark.slow

PLAN = """
layers:
  - name: home
    experiments:
      - name: models
        buckets: [[0, 10000]]
        control: old
        arms: [{name: old, model: previous, router: frozen}, {name: new, model: champion, router: online}]
        primary: ctr
"""
USERS = [f"Zoë {number}" for number in range(30)]


class Visitors:
    """Users who ask without a pause; each answer, with its request id, or what went wrong."""

    def __init__(self, serve: Serve) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(serve,))

    def _run(self, serve: Serve) -> None:
        while not self._stop.is_set():
            with httpx.Client(base_url=serve.url, headers={"X-API-Key": "key"}, timeout=300) as client:
                for user in USERS:  # a connection of its own each time, so that both replicas are asked
                    answer = client.post("/v1/recommend", json={"user_id": user, "k": 2})
                    if answer.status_code == 200:
                        self.answers[answer.json()["request_id"]] = answer.json()
                    else:
                        self.failures.append(answer.text)

    def round(self, serve: Serve) -> list[dict[str, Any]]:
        """Answers that were asked for from now on, several of each user."""
        known = set(self.answers)
        serve.until(lambda: len(self.answers) > len(known) + 4 * len(USERS))
        return [answer for name, answer in list(self.answers.items()) if name not in known][len(USERS) :]

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def two_replicas(system: StreamSystem, folder: Path, port: int) -> Iterator[Serve]:
    serve = Serve(folder=folder, port=port, PARTITIONS=str(system.partitions), SERVE_REPLICAS="2")
    try:
        yield serve
    finally:
        serve.stop(signal.SIGTERM)


def in_force(serve: Serve, number: int) -> None:
    """Wait until both replicas have taken a revision up: many questions in a row get no other answer."""

    def said() -> bool:
        found = [httpx.get(f"{serve.url}/v1/model", headers={"X-API-Key": "key"}, timeout=300) for _ in range(20)]
        return {one.json()["experiments"] for one in found} == {number}

    serve.until(said)


def now() -> int:
    return time.time_ns() // 1_000_000


def test_users_get_their_arms_from_every_replica_and_no_request_is_dropped(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    old, new = (put_model(tmp_path / "mos", seed=seed) for seed in (0, 1))
    registry = Registry(tmp_path / "mos" / "models")
    history = registry.experiments()
    with (
        stream_system(tmp_path / "mos", free_port(), MOS_NAMESPACE="") as system,
        two_replicas(system, tmp_path, free_port()) as serve,
    ):
        with Visitors(serve) as visitors:
            assert all(answer["assignments"] == [] for answer in visitors.round(serve))
            started = history.start(parse_plan(PLAN), lambda v: check_model(registry.fetch(v)), now=now())
            in_force(serve, started.number)
            treatments = Treatments(started.in_force)
            for answer in visitors.round(serve):
                (expected,) = treatments.of(answer["user_id"]).assignments
                (assignment,) = msgspec.convert(answer["assignments"], list[Assignment])
                assert assignment == expected
                assert answer["model_version"] == {"old": old, "new": new}[expected.arm]
            in_force(serve, history.roll_back("models", 1, "new", "slow", now=now()).number)
            taken_back = visitors.round(serve)
            assert {answer["model_version"] for answer in taken_back} == {old}
            in_force(serve, history.stop(["models"], "done", now=now()).number)
            last = visitors.round(serve)
            assert {(answer["model_version"], len(answer["assignments"])) for answer in last} == {(new, 0)}
        assert visitors.failures == []

        def logged() -> dict[str, Decision]:
            found = (
                msgspec.json.decode(one.value or b"", type=Decision) for one in system.records(contracts.DECISIONS)
            )
            return {one.request_id: one for one in found}

        system.until(lambda: logged().keys() >= visitors.answers.keys(), "every answer is logged")
        for name, decision in logged().items():
            if name in visitors.answers:
                assert msgspec.to_builtins(decision.assignments) == visitors.answers[name]["assignments"]
        because = {one.control_because for decision in logged().values() for one in decision.assignments}
        assert because == {None, "rolled_back"}
