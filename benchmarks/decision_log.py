"""What it costs an answer of the service to be logged: microseconds of the thread that answers.

    python benchmarks/decision_log.py [--answers 20000]

The broker is the embedded one, in this process. "away" is a broker that has gone: first there is room, then none.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from mos_online.contracts import Decision, RankedItem
from mos_online.settings import Settings
from publishing.unwaiting import UnwaitingProducer
from serving.feedback.decisions import DecisionLog, KafkaDecisionLog, NoDecisionLog
from serving.metrics import Metrics
from streams.broker.librdkafka import MockCluster

PAUSE = 0.001
"""Seconds between two answers: as if 1,000 came a second."""


def measure(log: DecisionLog, answers: int) -> tuple[float, float, float]:
    """The mean CPU time of this thread, and the median and the 99th percentile of the wall time, in µs."""
    items = [
        RankedItem(item_id=f"item-{number}", score=1 / (3 + number), theme=number % 12, p_click=0.012345 * (1 + number))
        for number in range(10)
    ]
    walls, cpu = [], 0.0
    for number in range(answers):
        began, thread = time.perf_counter(), time.thread_time()
        log.put(
            [
                Decision(
                    request_id=f"{number:032x}",
                    user_id=f"user-{number % 997}",
                    timestamp=1_700_000_000_000 + number,
                    trigger="request",
                    items=items,
                    candidates=20_000,
                    model_version="20261127-101500-0123abcd",
                    router_version="r-3f2a9c1b",
                    fallback=None,
                    score_level=12.345678901234567,
                    fast_version="f-0123456789ab",
                )
            ]
        )
        cpu += time.thread_time() - thread
        walls.append(time.perf_counter() - began)
        time.sleep(PAUSE)
    return 1e6 * cpu / answers, 1e6 * float(np.median(walls)), 1e6 * float(np.quantile(walls, 0.99))


def main() -> None:
    """Print one line for each state of the broker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=20_000)
    answers = parser.parse_args().answers
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        cluster = MockCluster()
        cluster.create_topics(["decisions"], partitions=8)
        settings.broker_file.write_text(json.dumps({"bootstrap": cluster.bootstrap}))
        producer = UnwaitingProducer(settings, room=answers // 2)
        producer.start()
        while not producer.send("decisions", b"u", b"{}", lambda _: None):
            time.sleep(PAUSE)
        logged = KafkaDecisionLog(producer, settings, Metrics())
        print("| broker | CPU, mean | wall, p50 | wall, p99 |\n|---|---|---|---|")
        for name, log in (("there", logged), ("away", logged), ("not asked (MOS_DECISIONS=false)", NoDecisionLog())):
            if name == "away":
                cluster.close()
            cpu, median, worst = measure(log, answers)
            print(f"| {name} | {cpu:.1f} µs | {median:.1f} µs | {worst:.1f} µs |", flush=True)


if __name__ == "__main__":
    main()
