"""A click log as arrays: subsequences by theme, laid out so that any history is a slice."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from torch import Tensor

from mos_online.arrays import Ints
from mos_online.model.batch import Batch
from mos_online.training.catalogue import Catalogue


class SequenceLog:
    """Events of all users, sorted by user and time, with the theme subsequences that the profiler would hold.

    Attributes:
        items: int64 (n,), catalogue rows; times: int64 (n,), ms.
        users, sessions: int64 (n,), numbers of the event's user and session, ascending.
        user_start: int64 (n,), where the event's user begins.
    """

    def __init__(self, events: pl.DataFrame, catalogue: Catalogue, event_theme: Ints, themes: int) -> None:
        """Sort the events by user and theme, so that a ring is a slice of them.

        Args:
            events: from ``with_sessions``.
            catalogue: rows of the model.
            event_theme: int64 (n,), the theme 0..K of each event, from ``themes_of_events``: its session's.
            themes: K.
        """
        self.items: Ints = catalogue.rows_of(events["item_id"].to_list())
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
