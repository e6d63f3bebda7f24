"""Memory per open session of the sessionizer: a million users with 1 and with 3 events each.

python benchmarks/sessionizer_memory.py
"""

from __future__ import annotations

import gc
import multiprocessing
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mos_online.contracts import decode_clicks
from mos_online.sessions import SessionConfig, Sessionizer

SESSIONS = 1_000_000
START = 1_700_000_000_000
SPAN = 25 * 60_000
"""All events fall into so many ms, so that no session closes."""


def main() -> None:
    """Print a Markdown table; each number comes from a process of its own."""
    print("| open sessions | events each | bytes per open session | resident memory of the process |")
    print("|---:|---:|---:|---:|")
    for events in (1, 3):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            opened, held, before, after = pool.apply(open_sessions, (SESSIONS, events))
        print(
            f"| {opened:,} | {held / opened:.0f} | {(after - before) / opened:,.0f} | {after / 2**20:,.0f} MiB |",
            flush=True,
        )


def open_sessions(sessions: int, events: int) -> tuple[int, int, int, int]:
    """Returns open sessions, open events, and resident bytes before and after."""
    sizer = Sessionizer(SessionConfig(), partition=0)
    gc.collect()
    before = resident()
    for offset, raw in enumerate(messages(sessions, events)):
        sizer.process(decode_clicks(raw), offset=offset, arrived_at=START + SPAN)
    gc.collect()
    return sizer.open_users, sizer.open_events, before, resident()


def messages(sessions: int, events: int) -> Iterator[bytes]:
    """Every user's first event, then every user's second: ids of 36, 12 and 8 characters."""
    rng = np.random.default_rng(0)
    total, number = sessions * events, 0
    for _ in range(events):
        for user in range(sessions):
            at = START + number * SPAN // total
            number += 1
            event = uuid.UUID(bytes=rng.bytes(16))
            yield (
                b'{"user_id":"u%011d","event_id":"%s","item_id":"i%07d","timestamp":%d}'
                % (user, str(event).encode(), (user * 7919) % 100_000, at)
            )


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    main()
