"""The synthetic click log of ``sessions_on_kafka.py``: made from a seed, with sessions that really close inside it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from mos_online.sessions import SessionConfig, offline_sessions

START = 1_700_000_000_000
LATENESS = 5_000
MINUTE = 60_000
FIRST = "first-"
FLUSH = "flush-"
"""How the event ids of the messages begin that open and end the log (see ``ClickLog``)."""

Key = tuple[str, frozenset[str]]
"""A session as all systems are compared: its user and the ids of its events."""

Message = tuple[str, bytes, int]
"""User (the key), value, and the partition (-1: as the key says)."""


@dataclass(frozen=True, kw_only=True)
class ClickLog:
    """Messages in the order in which they arrive, and the sessions that they make.

    Every partition begins with two clicks of one user, ten gaps apart: whoever reads them can close a session at
    once, so the first record on a system's output says when it began to consume. It ends with one far-future
    click of every user: it closes what is open by the clock of the user and by that of the partition alike.

    Attributes:
        messages: the log.
        clicks: how many the log has, those of the beginning and the end included.
        sessions: of the polars oracle, without those that the last clicks open and nothing closes.
    """

    messages: list[Message]
    clicks: int
    sessions: set[Key]


def click_log(*, clicks: int, users: int, partitions: int, burst: int, seed: int, config: SessionConfig) -> ClickLog:
    """Make a log.

    Args:
        clicks: about so many, apart from those of the beginning and the end.
        users: who click.
        partitions: of the topic.
        burst: clicks of one user that are sent together, within three seconds: one message each if 1, else one
            envelope.
        seed: of everything.
        config: the gap; lateness must be at least ``LATENESS``.
    """
    rng = np.random.default_rng(seed)
    bursts = max(1, clicks // burst)
    owner = np.sort(rng.integers(0, users, bursts))
    began = _times(rng, owner, config.gap, lowest=3_500 if burst > 1 else 100)
    # The last click of a message says when it is sent, and one message in a hundred is held up for longer. Both
    # together stay within the lateness.
    span = 3_000 if burst > 1 else 0
    times = began[:, None] + np.sort(rng.integers(0, span + 1, (bursts, burst)), axis=1)
    held = np.where(rng.random(bursts) < 0.01, rng.integers(1, LATENESS - span, bursts), 0)
    order = np.argsort(times[:, -1] + held, kind="stable")
    names = _names(rng, users)
    items = rng.integers(0, 20_000, (bursts, burst))
    ids = _event_ids(rng, bursts * burst)

    rows: list[tuple[str, str, str, int]] = []
    messages: list[Message] = []
    oldest = int(times.min())
    for partition in range(partitions):
        for step, back in enumerate((20, 10)):
            row = (f"{FIRST}{partition:06}", f"{FIRST}{step}", "i0000000", oldest - back * config.gap)
            rows.append(row)
            messages.append((row[0], _value([row], burst), partition))
    for number in order.tolist():
        user = names[owner[number]]
        some = [(user, ids[number * burst + n], f"i{items[number, n]:07}", int(times[number, n])) for n in range(burst)]
        rows += some
        messages.append((user, _value(some, burst), -1))
    frame = pl.DataFrame(rows, schema=["user_id", "event_id", "item_id", "timestamp"], orient="row")
    oracle = offline_sessions(frame.with_columns(event_type=pl.lit("click")), config)
    sessions = {(u, frozenset(e)) for u, e in zip(oracle["user_id"], oracle["event_ids"].to_list(), strict=True)}

    end = int(times.max()) + 4 * config.gap
    for number, user in enumerate([*names, *(f"{FIRST}{p:06}" for p in range(partitions))]):
        last = (user, f"{FLUSH}{number}", "i0000000", end)
        rows.append(last)
        partition = number - len(names) if number >= len(names) else -1
        messages.append((user, _value([last], burst), partition))
    return ClickLog(messages=messages, clicks=len(rows), sessions=sessions)


def _times(rng: np.random.Generator, owner: np.ndarray, gap: int, *, lowest: int) -> np.ndarray:
    """When the bursts begin: some close together, most minutes apart, every fifth after a pause that ends a session."""
    size = len(owner)
    near = rng.integers(lowest, 10_000, size)
    apart = np.minimum(lowest + rng.exponential(3 * MINUTE, size), gap - 10_000).astype(np.int64)
    step = np.where(rng.random(size) < 0.3, near, apart)
    pause = rng.integers(gap + 10_000, 10 * gap, size)
    step = np.where(rng.random(size) < 0.2, pause, step)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    step[starts] = 0
    passed = np.cumsum(step)
    lengths = np.diff(np.append(starts, size))
    phase = np.repeat(rng.integers(0, 10 * gap, len(starts)), lengths)
    moved: np.ndarray = START + passed - np.repeat(passed[starts], lengths) + phase
    return moved


def _names(rng: np.random.Generator, users: int) -> list[str]:
    return [f"u{n:06}{rng.integers(0, 16**5):05x}" for n in range(users)]


def _event_ids(rng: np.random.Generator, count: int) -> list[str]:
    raw = rng.bytes(16 * count)
    return [str(uuid.UUID(bytes=raw[16 * n : 16 * n + 16])) for n in range(count)]


def _value(rows: list[tuple[str, str, str, int]], burst: int) -> bytes:
    names = ("user_id", "event_id", "item_id", "timestamp")
    if burst == 1:
        return msgspec.json.encode(dict(zip(names, rows[0], strict=True)))
    clicks = [dict(zip(names[1:], row[1:], strict=True)) for row in rows]
    return msgspec.json.encode({"user_id": rows[0][0], "clicks": clicks})
