"""What is true of every test position, whatever the model: the slices of the tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.protocol.data import ExperimentData
from evaluation.results.slices import INSIDE, NEW, RETURNING, SAME
from mos_online.arrays import Floats, Ints
from mos_online.training.routing import Routing


def facts(data: ExperimentData, positions: Ints) -> dict[str, NDArray[np.generic]]:
    """Columns (n,) by name, for positions of the log.

    Returns:
        user: int64; history: int64, events before; hop_rate: float32, share of the user's consecutive earlier sessions
        whose themes differ, nan with fewer than two; kind: int8, see ``evaluation.results.slices``; cold: bool, the
        target was not seen before validation; time: int64, ms.
    """
    log, routing = data.log, data.routing
    target = data.item_rows[positions]
    rate, last, had = _earlier_sessions(log.sessions, log.users, routing, positions)
    first = _starts(log.sessions)[log.sessions[positions]] == positions
    theme = routing.item_theme[target]
    seen = had[np.arange(len(positions)), theme] & (theme > 0)
    kind = np.where(theme == last, SAME, np.where(seen, RETURNING, NEW))
    return {
        "user": log.users[positions],
        "history": log.history[positions],
        "hop_rate": rate.astype(np.float32),
        "kind": np.where(first, kind, INSIDE).astype(np.int8),
        "cold": data.known.numpy()[target] == 0,
        "time": log.times[positions],
    }


def _earlier_sessions(
    session: Ints, user: Ints, routing: Routing, positions: Ints
) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """Hop rate, last theme (-1: none) and themes of the routed sessions before each position's own session."""
    starts = _starts(session)
    theme, owner = routing.event_theme[starts], user[starts]
    first_of_user = np.searchsorted(owner, owner)
    rate = np.full(len(positions), np.nan)
    last = np.full(len(positions), -1, np.int64)
    had = np.zeros((len(positions), routing.themes + 1), bool)
    for row, number in enumerate(session[positions]):
        past = theme[first_of_user[number] : number]
        past = past[past > 0]
        if len(past):
            last[row] = past[-1]
            had[row, past] = True
        if len(past) > 1:
            rate[row] = float((past[1:] != past[:-1]).mean())
    return rate, last, had


def _starts(session: Ints) -> Ints:
    """Position of the first event of each session, by the session's number."""
    return np.unique(session, return_index=True)[1]
