"""Clicks per second of the sessionizer's core, beside the polars oracle and the JSON decoding that both need.

    python benchmarks/sessionizer_core.py [--events 200000]

One thread, in memory, no Kafka: what the sessionizing itself costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session, decode_clicks
from mos_online.sessions import SessionConfig, Sessionizer, offline_sessions

COLUMNS = ("user_id", "event_id", "item_id", "timestamp", "event_type")
START = 1_700_000_000_000


def clicks(count: int, users: int) -> list[Click]:
    """Clicks of random users, a few ms apart, in order of time."""
    rng = np.random.default_rng(0)
    times = START + np.cumsum(rng.integers(1, 8_000_000 // users, count))
    who = rng.integers(0, users, count)
    return [
        Click(event_id=f"e{n:09}", user_id=f"u{u}", item_id=f"i{u % 97}", timestamp=int(t))
        for n, (u, t) in enumerate(zip(who.tolist(), times.tolist(), strict=True))
    ]


def timed(work: Callable[[], int], count: int, runs: int = 3) -> tuple[float, int]:
    """Best rate (clicks/s) of a few runs, and what the work returned."""
    best, result = 0.0, 0
    for _ in range(runs):
        began = time.perf_counter()
        result = work()
        best = max(best, count / (time.perf_counter() - began))
    return best, result


def main() -> None:
    """Print one line per system, with the ratio to the streaming core."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=5_000)
    options = parser.parse_args()
    log = clicks(options.events, options.users)
    raw = [contracts.encode(click) for click in log]
    config = SessionConfig()
    frame = pl.DataFrame({name: [getattr(c, name) for c in log] for name in COLUMNS})

    def stream() -> int:
        sessionizer = Sessionizer(config, partition=0)
        closed = 0
        for offset, click in enumerate(log):
            closed += len(sessionizer.process([click], offset=offset, arrived_at=click.timestamp))
        end = Heartbeat(heartbeat=log[-1].timestamp + config.gap + 1)
        out = sessionizer.process(end, offset=len(log), arrived_at=end.heartbeat)
        return closed + len([session for session in out if isinstance(session, Session)])

    def decode() -> int:
        for message in raw:
            decode_clicks(message)
        return len(raw)

    ours, sessions = timed(stream, len(log))
    oracle, expected = timed(lambda: len(offline_sessions(frame, config)), len(log))
    decoding, _ = timed(decode, len(log))
    print(f"{len(log):,} clicks of {options.users:,} users, {sessions:,} sessions (oracle {expected:,})")
    for name, rate in (("streaming core", ours), ("polars oracle, offline", oracle), ("JSON decoding alone", decoding)):
        print(f"{name:<24}{rate:>12,.0f} clicks/s   {rate / ours:5.2f}x")


if __name__ == "__main__":
    main()
