"""The real service, broker, sessionizer and joiner with live data: from an answer to its outcome over HTTP alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import Decision, Outcome
from tests.integration.serve_process import Serve, put_model
from tests.integration.stream_system import PARTITIONS, StreamSystem, stream_system
from tests.integration.test_popularity_workers import service

pytestmark = pytest.mark.slow

RULES = {"MOS_FEEDBACK_WINDOW": "5", "MOS_FEEDBACK_LATENESS": "1", "MOS_SESSION_IDLE_TIMEOUT": "1"}


def now() -> int:
    return time.time_ns() // 1_000_000


def dropped(serve: Serve) -> float:
    found = re.findall(r'mos_serving_decisions_total\{outcome="no_room"\} (\S+)', serve.client.get("/metrics").text)
    return sum(map(float, found))


def outcomes(system: StreamSystem) -> dict[str, Outcome]:
    found = (msgspec.json.decode(record.value or b"", type=Outcome) for record in system.records(contracts.OUTCOMES))
    return {one.request_id: one for one in found}


def test_an_answer_gets_its_outcome_and_needs_no_kafka(tmp_path: Path, free_port: Callable[[], int]) -> None:
    put_model(tmp_path / "mos", seed=0)
    with (
        stream_system(tmp_path / "mos", free_port(), MOS_NAMESPACE="", **RULES) as system,
        service(system, tmp_path, free_port()) as serve,
    ):
        system.worker("sessionizer,joiner")
        assert system.partitions == PARTITIONS
        serve.until(lambda: serve.client.post("/v1/recommend", json={"user_id": "first"}).status_code == 200)
        system.until(lambda: len(system.records(contracts.DECISIONS)) > 0, "answers are logged")

        answer = serve.client.post("/v1/recommend", json={"user_id": "anna", "k": 3}).json()
        unseen = serve.client.post("/v1/recommend", json={"user_id": "anna", "k": 3, "trigger": "test"}).json()
        items, named = [item["item_id"] for item in answer["items"]], {"request_id": answer["request_id"]}
        seen = {"event_id": "s", "user_id": "anna", "item_ids": items[:2], "timestamp": now(), **named}
        clicks = [
            {"event_id": f"c{n}", "user_id": "anna", "item_id": item, "timestamp": now(), **named}
            for n, item in enumerate((items[1], items[1], items[2]))
        ]
        sent = serve.client.post("/v1/events", json={"impressions": [seen], "clicks": clicks})
        assert (sent.status_code, sent.json()) == (202, {"accepted": 4})
        wanted = {answer["request_id"], unseen["request_id"]}
        system.until(lambda: outcomes(system).keys() >= wanted, "both answers have outcomes")

        found = outcomes(system)[answer["request_id"]]
        assert (found.shown_by, found.clicks_by_request) == ("impressions", 3)
        assert [(item.item_id, item.position, item.clicks) for item in found.items] == [
            (items[0], 0, 0),
            (items[1], 1, 2),
            (items[2], None, 1),
        ]
        assert outcomes(system)[unseen["request_id"]].shown_by == "nothing"
        logged = [msgspec.json.decode(one.value or b"", type=Decision) for one in system.records(contracts.DECISIONS)]
        assert {one.request_id: [item.item_id for item in one.items] for one in logged}[answer["request_id"]] == items

        system.close()  # the broker and the worker are gone
        for _ in range(20):
            assert serve.client.post("/v1/recommend", json={"user_id": "anna"}).status_code == 200
        refused = serve.client.post("/v1/events", json={"clicks": clicks})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_taken")
        assert serve.client.post("/v1/recommend", json={"user_id": "anna"}).status_code == 200
        assert dropped(serve) == 0, "there is room for what waits"
