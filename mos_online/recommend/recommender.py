"""From a user's profile and open session to ranked items: what the service computes, without the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from mos_online.contracts import SESSION_END, RankedItem, SessionEvent
from mos_online.items.popularity import PopularitySnapshot, merge
from mos_online.model.batch import Batch, History, collate
from mos_online.model.checkpoint import Checkpoint
from mos_online.model.realtime import realtime_table
from mos_online.model.sequence_model import UserVectors
from mos_online.users.profile import UNROUTED, UserProfile

SPARE = 20_000
"""Rows for items younger than the model; when they are used up, further new items are not recommended."""

UNKNOWN_USER = "unknown_user"
NO_KNOWN_ITEMS = "no_known_items"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One user at one moment.

    Attributes:
        profile: from the online store, None where there is none.
        events: of the open session, any order.
        timestamp: the moment of the recommendation (ms).
        k: how many items; exclude: which not.
    """

    user_id: str
    profile: UserProfile | None
    events: Sequence[SessionEvent]
    timestamp: int
    k: int
    exclude: Sequence[str]


class ThemeShare(msgspec.Struct, frozen=True, kw_only=True):
    """How far a theme's expert could speak: its gate's share of all open theme gates; the user's sessions in it."""

    theme: int
    label: str
    share: float
    sessions: int


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Items, best first; ``fallback`` says why popularity answered, or is None when the model did."""

    items: list[RankedItem]
    themes: list[ThemeShare]
    fallback: str | None


class Recommender:
    """A model in service: profiles and popularity in, rankings out. One caller at a time.

    Every item with a row is scored, each by the user vector of its own theme: one matrix product per theme, exact.
    Items that appear in the popularity and were not known in training get a row of their category, and its theme, then.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Use ``load``; ``checkpoint`` must have ``SPARE`` rows to spare."""
        self.model_version = checkpoint.version
        self.router = checkpoint.router
        self.router_version = checkpoint.router.version
        self.half_life_ms = checkpoint.half_life_ms
        self._model = checkpoint.model
        self._names = ["", *checkpoint.items]
        self._rows = {item: row for row, item in enumerate(self._names) if row}
        self._category_row = {name: row for row, name in enumerate(checkpoint.categories, 1)}
        self._popular = checkpoint.popular
        self._trained = len(self._names)
        self._popularity = merge([], half_life_ms=self.half_life_ms)
        self._arrange()

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """Load a version from the registry.

        Raises:
            ModelError: a file is missing, damaged or of another version.
        """
        return cls(Checkpoint.from_pretrained(folder, spare=SPARE))

    def observe_popularity(self, snapshots: Sequence[PopularitySnapshot]) -> None:
        """Take the newest counts of all partitions: popularity, and new items with their categories."""
        self._popularity = merge(snapshots, half_life_ms=self.half_life_ms)
        for item, category in zip(self._popularity.item_ids, self._popularity.categories, strict=True):
            if item not in self._rows and len(self._names) < len(self._model.item_theme):
                self._add(item, category or None)
        self._arrange()

    def recommend(self, queries: Sequence[Query]) -> list[Ranking]:
        """Rank for a batch of queries; each is independent of the others up to float rounding."""
        histories = [self._history(query) for query in queries]
        batch = collate(histories)
        with torch.inference_mode():
            users = self._model.encode(batch)
            scores = self._scores(users, batch)
            self._exclude(scores, queries)
            most = min(max((query.k for query in queries), default=1), scores.shape[1])
            best, columns = scores.topk(most)
        return [
            self._ranking(query, history, best[row], columns[row], users.gates[row])
            for row, (query, history) in enumerate(zip(queries, histories, strict=True))
        ]

    def _add(self, item: str, category: str | None) -> None:
        row = len(self._names)
        self._names.append(item)
        self._rows[item] = row
        self._model.item_category[row] = self._category_row.get(category or "", 0)
        self._model.item_theme[row] = self.router.item_theme(item, category)
        if self._model.config.table:
            self._model.item_table[row] = torch.from_numpy(self.router.vectors([item], [category])[0])

    @torch.inference_mode()
    def _arrange(self) -> None:
        """Lay the rows out by theme, real-time features as further columns: scoring is then slices and products."""
        model, count = self._model.eval(), len(self._names)
        _, features = realtime_table(self._popularity, self._rows, model.item_known)
        realtime, bias = model.realtime_rows(features[:count])
        rows = model.item_rows(torch.arange(count)) * model.scale.exp()
        matrix = torch.cat([rows, realtime, bias.unsqueeze(1)], 1)
        themes = model.item_theme[:count].clone()
        themes[0] = len(model.theme.weight)  # row 0 is no item: last of all, and cut off
        order = torch.argsort(themes, stable=True)[: count - 1]
        sizes = torch.bincount(themes[order], minlength=model.config.themes + 1).tolist()
        slot = torch.full((len(model.item_theme),), -1)
        slot[order] = torch.arange(len(order))
        self._order, self._slot = order.tolist(), slot
        self._parts = [part.T.contiguous() for part in matrix[order].split(sizes)]

    def _scores(self, users: UserVectors, batch: Batch) -> Tensor:
        """Scores (B, items), columns in the order of ``_order``."""
        ones = torch.ones(len(users.base), 1)
        tail = torch.cat([self._model.realtime_user(users.base), ones], 1)
        pieces = [
            torch.cat([users.themed[:, theme], tail], 1) @ part + users.bias[:, theme, None]
            for theme, part in enumerate(self._parts)
        ]
        return self._model.add_repeats(torch.cat(pieces, 1), batch, self._slot)

    def _exclude(self, scores: Tensor, queries: Sequence[Query]) -> None:
        for row, query in enumerate(queries):
            columns = [int(self._slot[self._rows[item]]) for item in query.exclude if item in self._rows]
            if columns:
                scores[row, columns] = -torch.inf

    def _history(self, query: Query) -> History:
        """The profile's rings and the open session's events, as in training.

        Rings routed by another router are left out: theme ids mean nothing under this one. The recent events are used.
        """
        config = self._model.config
        profile = query.profile
        acted = sorted(
            (event for event in query.events if event.event_type != SESSION_END), key=lambda event: event.timestamp
        )
        past = profile.recent if profile else None
        acted = [event for event in acted if profile is None or not _in_profile(event, profile)]
        items = (past.item_ids if past else []) + [event.item_id for event in acted]
        times = (past.timestamps if past else []) + [event.timestamp for event in acted]
        rings = {}
        if profile and profile.router_version == self.router_version:
            rings = {
                theme: (
                    self._indices(ring.item_ids[-config.theme_ring :]),
                    _times(ring.timestamps[-config.theme_ring :]),
                )
                for theme, ring in profile.themes.items()
                if ring.item_ids and 0 < theme <= config.themes
            }
        return History(
            items=self._indices(items[-config.recent :]),
            times=_times(times[-config.recent :]),
            now=query.timestamp,
            rings=rings,
            theme_sessions=profile.theme_sessions if profile else {},
        )

    def _indices(self, items: Sequence[str]) -> np.typing.NDArray[np.int64]:
        return np.array([self._rows.get(item, 0) for item in items], np.int64)

    def _ranking(self, query: Query, history: History, best: Tensor, columns: Tensor, gates: Tensor) -> Ranking:
        if not len(history.items):
            return Ranking(items=self._most_popular(query), themes=[], fallback=UNKNOWN_USER)
        if not history.items.any():
            return Ranking(items=self._most_popular(query), themes=[], fallback=NO_KNOWN_ITEMS)
        rows = [self._order[column] for column in columns[: query.k].tolist()]
        scores = best[: query.k].tolist()
        items = [
            RankedItem(item_id=self._names[row], score=score, theme=int(self._model.item_theme[row]))
            for row, score in zip(rows, scores, strict=True)
            if score > -np.inf
        ]
        return Ranking(items=items, themes=self._shares(gates, history), fallback=None)

    def _shares(self, gates: Tensor, history: History) -> list[ThemeShare]:
        open_gates = gates[1:].tolist()
        total = sum(open_gates)
        shares = [
            ThemeShare(
                theme=theme,
                label=self.router.labels[theme],
                share=gate / total,
                sessions=history.theme_sessions.get(theme, 0),
            )
            for theme, gate in enumerate(open_gates, 1)
            if gate > 0
        ]
        return sorted(shares, key=lambda share: -share.share)

    def _most_popular(self, query: Query) -> list[RankedItem]:
        """Recently popular items; those of the training log where there has been no traffic yet."""
        excluded = set(query.exclude)
        counts = sorted(
            zip(self._popularity.counts, self._popularity.item_ids, strict=True), key=lambda pair: (-pair[0], pair[1])
        )
        total = max(self._popularity.total, 1e-9)
        scored = [(item, count / total) for count, item in counts if item not in excluded]
        if len(scored) < query.k:
            listed = {item for item, _ in scored} | excluded
            scored += [(item, 0.0) for item in self._popular if item not in listed]
        return [RankedItem(item_id=item, score=score, theme=self._theme(item)) for item, score in scored[: query.k]]

    def _theme(self, item: str) -> int:
        row = self._rows.get(item)
        return int(self._model.item_theme[row]) if row is not None else UNROUTED


def _in_profile(event: SessionEvent, profile: UserProfile) -> bool:
    """Whether an event that the caller believes open is in a session that has been closed since."""
    if event.timestamp > profile.last_ended_at:
        return False
    past = profile.recent
    if not past.timestamps or event.timestamp <= past.timestamps[0]:
        return True  # so old that it may have left the ring
    return (event.item_id, event.timestamp) in zip(past.item_ids, past.timestamps, strict=True)


def _times(values: Sequence[int]) -> np.typing.NDArray[np.int64]:
    return np.array(values, np.int64)
