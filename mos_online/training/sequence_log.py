"""A click log as arrays: subsequences by theme, laid out so that any history is a slice."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from mos_online.arrays import Ints
from mos_online.model.batch import Batch
from mos_online.training.catalogue import Catalogue


class SequenceLog:
    """Events of all users, sorted by user and time, with the theme subsequences that the profiler would hold.

    Attributes:
        items: int64 (n,), catalogue rows; times: int64 (n,), ms.
        users: int64 (n,), number of the event's user, ascending.
        user_start: int64 (n,), where the event's user begins.
        session_end: int64 (n,), position of the last event of the event's session.
    """

    def __init__(self, events: pl.DataFrame, catalogue: Catalogue, event_theme: Ints, themes: int) -> None:
        """Sort the events so that any history is a slice of them.

        Args:
            events: from ``with_sessions``.
            catalogue: rows of the model.
            event_theme: int64 (n,), the theme 0..K of each event, from ``themes_of_events``: its session's.
            themes: K.
        """
        self.items: Ints = catalogue.rows_of(events["item_id"].to_list())
        self.times: Ints = events["timestamp"].to_numpy().astype(np.int64)
        self.users: Ints = events["user_id"].rle_id().to_numpy().astype(np.int64)
        last = (
            events.select("session_id")
            .with_row_index("place")
            .select(pl.col("place").max().over("session_id"))
            .to_series()
        )
        self.session_end: Ints = last.to_numpy().astype(np.int64)
        starts = np.searchsorted(self.users, np.arange(self.users[-1] + 1 if len(self.users) else 0))
        self.user_start: Ints = starts[self.users]
        self._layout(event_theme, themes)

    def _layout(self, event_theme: Ints, themes: int) -> None:
        """Sort events by session, in the order in which sessions end, and again by theme first.

        The events of all sessions that ended before a position are then one slice, and so is the ring of a theme.
        """
        self._by_session: Ints = np.argsort(self.session_end, kind="stable")
        self._ended: Ints = self.session_end[self._by_session]
        self._place = np.empty(len(self._by_session), np.int64)
        self._place[self._by_session] = np.arange(len(self._by_session))
        self._themes, self._stride = themes, len(self.items) + 1
        keys = (self.users * (themes + 1) + event_theme) * self._stride + self.session_end
        self._by_theme: Ints = np.argsort(keys, kind="stable")
        self._keys: Ints = keys[self._by_theme]
        changed = np.diff(self._keys, prepend=-1) != 0
        self._visits: Ints = np.concatenate([[0], np.cumsum(changed)]).astype(np.int64)

    def batch(self, at: Ints, *, recent: int, ring: int, now: Ints | None = None) -> Batch:
        """What is known just before the events ``at``: closed sessions in rings, the open one in the recent events.

        Equal to the profile after all sessions that ended before each, with the open session's prefix appended to the
        recent events, and collated as the service does. Events of the user's other open sessions are left out: there
        are some only where sessions are cut by the publisher's ids.

        Args:
            at: int64 (B,), positions.
            recent: events over all sessions, at most; ring: of each theme.
            now: int64 (B,), the moment of each request (ms); None: that of the event.
        """
        now = self.times[at] if now is None else now
        items, ages, mask = self._recent(at, recent, now)
        group = self.users[at, None] * (self._themes + 1) + np.arange(1, self._themes + 1)
        low = np.searchsorted(self._keys, group * self._stride)
        high = np.searchsorted(self._keys, group * self._stride + at[:, None])
        row, theme = np.nonzero(high > low)
        begin, end = low[row, theme], high[row, theme]
        ring_items, ring_ages, ring_mask = self._slices(self._by_theme, np.maximum(begin, end - ring), end, now[row])
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

    def _recent(self, at: Ints, recent: int, now: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """The newest events of the sessions that ended before, then those of the open session; as ``_slices``."""
        closed = np.searchsorted(self._ended, at)
        place = self._place[at]
        of_open = np.minimum(place - np.searchsorted(self._ended, self.session_end[at]), recent)
        of_closed = np.minimum(closed - self.user_start[at], recent - of_open)
        column = np.arange(int((of_closed + of_open).max(initial=0)))
        begin = np.where(
            column < of_closed[:, None], (closed - of_closed)[:, None], (place - of_open - of_closed)[:, None]
        )
        return self._padded(self._by_session, begin + column, column < (of_closed + of_open)[:, None], now)

    def _slices(self, order: Ints, begin: Ints, end: Ints, now: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """Items, ages (s) and mask of the events order[begin:end] of each row, padded to the longest."""
        at = begin[:, None] + np.arange(int((end - begin).max(initial=0)))
        return self._padded(order, at, at < end[:, None], now)

    def _padded(self, order: Ints, at: Ints, mask: NDArray[np.bool_], now: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """Items, ages (s) and mask of the events order[at], where the mask says so."""
        events = order[np.where(mask, at, 0)] if len(order) else at
        ages = np.maximum(now[:, None] - self.times[events], 0).astype(np.float32) / 1000
        items = np.where(mask, self.items[events], 0)
        return torch.from_numpy(items), torch.from_numpy(np.where(mask, ages, 0)), torch.from_numpy(mask)
