"""A click log as arrays: sessions cut and routed, subsequences laid out so that any history is a slice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from mos_online.contracts import SESSION_END
from mos_online.model.batch import Batch
from mos_online.sessions import SessionConfig, offline_sessions
from mos_online.themes import Router

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Items and categories that have rows of their own; index 0 is "unknown" in both.

    Attributes:
        items, categories: names of rows 1, 2, ...
        item_category: int64 (items + 1,), the category row of each item row.
        item_theme: int64 (items + 1,), theme 0..K of each item row.
    """

    items: Sequence[str]
    categories: Sequence[str]
    item_category: Ints
    item_theme: Ints

    @classmethod
    def of(cls, items: Sequence[str], category_of: dict[str, str], router: Router) -> Catalogue:
        """Rows for these items, with the categories they have."""
        names = [category_of.get(item) for item in items]
        categories = sorted({name for name in names if name is not None})
        index = {name: number for number, name in enumerate(categories, 1)}
        return cls(
            items=list(items),
            categories=categories,
            item_category=np.array([0, *(index[name] if name is not None else 0 for name in names)], np.int64),
            item_theme=np.concatenate([[0], router.item_themes(items, names)]).astype(np.int64),
        )


def with_sessions(events: pl.DataFrame, config: SessionConfig) -> pl.DataFrame:
    """The events with the column ``session`` that the sessionizer would have given them.

    Args:
        events: columns user_id, event_id, item_id (str), timestamp (ms), event_type (str).
        config: gap and caps.

    Returns:
        The same rows (repeats of an event once, ``session_end`` left out), sorted by user and time.
    """
    sessions = offline_sessions(events, config).select(
        pl.col("session_id").alias("session"), "user_id", pl.col("event_ids").alias("event_id")
    )
    named = sessions.explode("event_id")
    first = events.unique(["user_id", "event_id"], keep="first", maintain_order=True)
    joined = first.drop("session", strict=False).join(named, on=["user_id", "event_id"])
    return joined.filter(pl.col("event_type") != SESSION_END).sort("user_id", "timestamp", "event_id")


def themes_of_events(events: pl.DataFrame, router: Router, category_of: dict[str, str]) -> Ints:
    """Route every session: the theme 0..K of each event, int64 (n,).

    Args:
        events: from ``with_sessions``.
        router: fitted on an earlier slice of the log than the events that will be predicted.
        category_of: item -> category, for items that the router has not seen.
    """
    names = events["item_id"].to_list()
    session = events["session"].rle_id().to_numpy().astype(np.int64)
    firsts = np.append(np.flatnonzero(np.diff(session, prepend=-1)), len(names)).tolist()
    themes = []
    for begin, end in itertools.pairwise(firsts):
        part = names[begin:end]
        themes.append(router.route_items(part, [category_of.get(name) for name in part]).theme)
    return np.repeat(np.array(themes, np.int64), np.diff(firsts))


class SequenceLog:
    """Events of all users, sorted by user and time, with the theme subsequences that the profiler would hold.

    Attributes:
        items: int64 (n,), catalogue rows; times: int64 (n,), ms.
        users, sessions: int64 (n,), numbers of the event's user and session, ascending.
        user_start: int64 (n,), where the event's user begins.
    """

    def __init__(self, events: pl.DataFrame, catalogue: Catalogue, event_theme: Ints, themes: int) -> None:
        """Lay the events out.

        Args:
            events: from ``with_sessions``.
            catalogue: rows of the model.
            event_theme: int64 (n,), the theme 0..K of each event, from ``themes_of_events``: its session's.
            themes: K.
        """
        index = {item: number for number, item in enumerate(catalogue.items, 1)}
        names = events["item_id"].to_list()
        self.items: Ints = np.fromiter((index.get(name, 0) for name in names), np.int64, len(names))
        self.times: Ints = events["timestamp"].to_numpy().astype(np.int64)
        self.users: Ints = events["user_id"].rle_id().to_numpy().astype(np.int64)
        self.sessions: Ints = events["session"].rle_id().to_numpy().astype(np.int64)
        starts = np.searchsorted(self.users, np.arange(self.users[-1] + 1 if len(self.users) else 0))
        self.user_start: Ints = starts[self.users]
        self._layout(event_theme, themes)

    def _layout(self, event_theme: Ints, themes: int) -> None:
        """Sort events by (user, theme, time): the ring of a theme before a session is then a slice."""
        group = self.users * (themes + 1) + event_theme
        self._order: Ints = np.argsort(group, kind="stable")
        self._themes = themes
        self._stride = int(self.sessions[-1]) + 2 if len(self.users) else 1
        self._keys: Ints = group[self._order] * self._stride + self.sessions[self._order]
        changed = np.diff(self._keys, prepend=-1) != 0
        self._visits: Ints = np.concatenate([[0], np.cumsum(changed)]).astype(np.int64)

    def batch(self, at: Ints, *, recent: int, ring: int) -> Batch:
        """What is known just before the events ``at``: closed sessions in rings, the open one in the recent events.

        Equal to the profile after all sessions before each, with the open session's prefix appended to the recent
        events, and collated as the service does.

        Args:
            at: int64 (B,), positions.
            recent: events over all sessions, at most; ring: of each theme.
        """
        now = self.times[at]
        length = np.minimum(at - self.user_start[at], recent)
        items, ages, mask = self._slices(np.arange(len(self.items)), at - length, at, now)
        group = self.users[at, None] * (self._themes + 1) + np.arange(1, self._themes + 1)
        low = np.searchsorted(self._keys, group * self._stride)
        high = np.searchsorted(self._keys, group * self._stride + self.sessions[at, None])
        row, theme = np.nonzero(high > low)
        begin, end = low[row, theme], high[row, theme]
        ring_items, ring_ages, ring_mask = self._slices(self._order, np.maximum(begin, end - ring), end, now[row])
        visits = self._visits[end] - self._visits[begin]
        return Batch(
            items=items,
            ages=ages,
            mask=mask,
            ring_items=ring_items,
            ring_ages=ring_ages,
            ring_mask=ring_mask,
            ring_user=torch.from_numpy(row),
            ring_theme=torch.from_numpy(theme + 1),
            ring_sessions=torch.from_numpy(visits.astype(np.float32)),
        )

    def _slices(self, order: Ints, begin: Ints, end: Ints, now: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """Items, ages (s) and mask of the events order[begin:end] of each row, padded to the longest."""
        longest = int((end - begin).max(initial=0))
        at = begin[:, None] + np.arange(longest)
        mask = at < end[:, None]
        events = order[np.where(mask, at, 0)] if len(order) else at
        ages = np.maximum(now[:, None] - self.times[events], 0).astype(np.float32) / 1000
        items = np.where(mask, self.items[events], 0)
        return torch.from_numpy(items), torch.from_numpy(np.where(mask, ages, 0)), torch.from_numpy(mask)
