"""Clicks per second from the click topic to the session topic on Apache Kafka: ours and its peers, in one run.

    python benchmarks/sessions_on_kafka.py [--only ours,quix] [--clicks 300000] [--rounds 3]

Systems run one after another, each on topics of its own that hold the same messages. Both ends of the rate are
the broker's clock, on the system's own output topic: its first record (which the first two messages of every
partition bring about) and its last right session. Peers live in environments of their own under ``.venv-bench``,
made on first use; one that cannot run says why and the others go on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from kafka_click_log import LATENESS, click_log
from kafka_contest import Result, compete
from kafka_systems import PARTITIONS, ROOT, SYSTEMS, pinned
from kafka_table import describe, table

from mos_online.ports import free_port
from mos_online.sessions import SessionConfig
from streams.broker.apache import apache_broker

CONFIG = SessionConfig(lateness=LATENESS)


def benchmark(options: argparse.Namespace, kafka: str, broker: str) -> None:
    """Run all, print tables."""
    names = [name for name in SYSTEMS if name in options.only.split(",")] if options.only else list(SYSTEMS)
    print(describe(names, broker), flush=True)
    for title, burst in (("One click per message", 1), ("Envelopes of 10 clicks", 10)):
        if burst not in options.bursts:
            continue
        log = click_log(
            clicks=options.clicks,
            users=options.users,
            partitions=PARTITIONS,
            burst=burst,
            seed=options.seed,
            config=CONFIG,
        )
        taking_part = [name for name in names if burst == 1 or SYSTEMS[name].envelopes]
        results: dict[str, list[Result]] = {}
        failures: dict[str, str] = {}
        for number in range(options.rounds):
            for name in taking_part:
                if name in failures or (name in results and results[name][-1].cut_off):
                    continue
                keep = options.logs and Path(options.logs) / f"{name}-{burst}-{number}.txt"
                try:
                    result = compete(
                        SYSTEMS[name], log, kafka, envelopes=burst > 1, limit=options.limit, keep_log=keep or None
                    )
                except Exception as error:
                    failures[name] = " ".join(str(error).split()) or type(error).__name__
                    results.pop(name, None)
                else:
                    results.setdefault(name, []).append(result)
                said = failures.get(name) or f"{results[name][-1].rate:,.0f} clicks/s"
                print(f"round {number + 1}, burst {burst}, {name}: {said}", file=sys.stderr, flush=True)
        print(f"\n{table(title, log, results, failures)}", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"some of {','.join(SYSTEMS)}")
    parser.add_argument("--clicks", type=int, default=300_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bursts", type=int, nargs="+", choices=(1, 10), default=[1, 10], help="clicks per message")
    parser.add_argument("--kafka", help="host:port of a cluster, instead of a broker of the benchmark's own")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one run; a slower one is cut off")
    parser.add_argument("--logs", help="folder for what the systems print")
    options = parser.parse_args()
    unknown = set((options.only or "ours").split(",")) - SYSTEMS.keys()
    if unknown:
        parser.error(f"--only: no system is called {', '.join(sorted(unknown))}; there are {', '.join(SYSTEMS)}")
    if options.kafka:
        benchmark(options, options.kafka, f"the Kafka cluster at {options.kafka}")
    else:
        with (
            tempfile.TemporaryDirectory(prefix="mos-bench-kafka-") as folder,
            apache_broker(Path(folder), port=free_port()) as broker,
        ):
            pom = ROOT / "streams" / "broker" / "kafka-pom.xml"
            benchmark(options, broker.bootstrap, f"Apache Kafka {pinned(pom, 'kafka_2.13')} on the same machine")


if __name__ == "__main__":
    main()
