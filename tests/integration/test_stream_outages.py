"""What is down holds up nobody else, loses nothing, and hinders no rebalance and no stop."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import Heartbeat, Recommendation, SessionEmbedding
from streams.broker.apache import ApacheBroker
from tests.integration.stream_system import PARTITIONS, StreamSystem, stop, stream_system
from tests.integration.test_stream_sessions import FAR, clicks, oracle, published, wire

pytestmark = pytest.mark.slow

ASKED = 900


@contextmanager
def service(*, works: threading.Event) -> Iterator[str]:
    """A recommendation service that is overloaded until ``works`` is set; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["requests"]
            fixed: dict[str, object] = {"items": [], "model_version": "m", "router_version": "r", "fallback": None}
            fixed |= {"assignments": []}
            answers = [fixed | {name: r[name] for name in ("request_id", "user_id")} for r in requests]
            self.send_response(200 if works.is_set() else 503)
            self.end_headers()
            self.wfile.write(json.dumps({"responses": answers}).encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def embedding(number: int) -> tuple[str, bytes]:
    made = SessionEmbedding(
        session_id=f"s{number}",
        user_id=f"u{number}",
        ended_at=1,
        closed_at=1,
        embedding=[0.1] * 16,
        theme=1,
        theme_weights=[0.1] * 12,
        router_version="r",
    )
    return made.user_id, contracts.encode(made)


def recommended(system: StreamSystem) -> set[str]:
    records = system.records(contracts.RECOMMENDATIONS)
    return {msgspec.json.decode(record.value or b"", type=Recommendation).session_id for record in records}


def test_a_dead_service_holds_up_no_sessions_no_rebalance_and_no_stop(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    works = threading.Event()
    variables = {"MOS_KAFKA": kafka.bootstrap, "MOS_SESSION_GAP": "60"}
    with (
        service(works=works) as url,
        stream_system(tmp_path / "mos", free_port(), MOS_SERVE_URL=url, **variables) as system,
    ):
        found = clicks(1200, seed=4)
        records = wire(found)
        system.send(contracts.CLICKS, records[:600])
        first = system.worker("sessionizer,recommender")
        for number in range(0, ASKED, 6):  # bit by bit, to fill buffers that count fetches
            system.send(contracts.SESSION_EMBEDDINGS, [embedding(n) for n in range(number, number + 6)])
            time.sleep(0.03)
        system.send(contracts.CLICKS, records[600:900])
        system.until(
            lambda: system.metric("mos_sessionizer_clicks_total") >= 900,
            "clicks are taken although the service is down",
        )
        second = system.worker("sessionizer,recommender", port=free_port())
        system.send(contracts.CLICKS, records[900:])
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=FAR)))
        expected = oracle(found, system)
        system.until(lambda: published(system)[0].keys() >= expected.keys(), "two workers have closed all sessions")
        assert published(system)[0] == expected
        assert system.metric("mos_consumer_retries_total") > 0
        assert stop(first) == 0
        assert stop(second) == 0
        assert "did not stop" not in system.log("worker")

        works.set()
        system.worker("recommender")
        system.until(lambda: recommended(system) == {f"s{n}" for n in range(ASKED)}, "nobody was forgotten")


def test_dropped_records_stop_the_worker_unless_their_loss_is_accepted(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_SESSION_GAP="60") as system:
        found = clicks(300, seed=5)
        worker = system.worker("sessionizer")
        system.send(contracts.CLICKS, wire(found))
        system.until(lambda: system.metric("mos_sessionizer_clicks_total") >= len(found), "all clicks are taken")
        assert len(system.records("sessionizer-checkpoints")) >= PARTITIONS
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        for _ in range(12):  # 12 x 700 kB per partition; the embedded broker keeps 5 MiB
            system.send_to_all(contracts.CLICKS, b"x" * 700_000)
        failed = system.mos("worker", "--only", "sessionizer")
        assert system.ended(failed) == 2
        message = system.log("worker").splitlines()[-1]
        assert "retention dropped" in message
        assert "--accept-loss" in message

        system.worker("sessionizer", "--accept-loss")
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=FAR)))
        system.until(lambda: system.metric("mos_dead_letters_total") >= PARTITIONS, "it has gone on with what is left")
