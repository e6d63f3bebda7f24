"""Users of a recorded log, who answer lists with their own next clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import polars as pl

from mos_online.arrays import Floats
from mos_online.contracts import Click, Impression, Session
from mos_online.errors import DatasetError, SettingsError
from mos_online.recommend.query import Query
from simulator.loop.crowd_visitors import seen
from simulator.loop.log_clicks import clicks_of
from simulator.loop.open_events import OpenEvents
from simulator.loop.visitors import Answers, Judged, Lists
from simulator.replay.config import check_clicks


class LogVisitors:
    """Just before each click of a log its user asks. If the list has the item of the click, the click names the list.

    The clicks are those of the log, whatever is recommended: a list cannot win a click that did not happen.

    Attributes:
        begin: event time of the start, ms since epoch.
    """

    def __init__(self, clicks: pl.DataFrame, categories: Mapping[str, str], *, gap: int, length: int) -> None:
        """Follow a log.

        Args:
            clicks: rows as of ``Dataset.clicks``, in order of time, at least one.
            categories: item_id -> category, which clicks name.
            gap: of sessions, ms: the open session ends after it.
            length: of the lists.

        Raises:
            DatasetError: no clicks, or not in order.
        """
        check_clicks(clicks)
        if not length >= 1:
            raise DatasetError(f"lists of {length} items: give at least 1")
        self._clicks = list(clicks_of(clicks, categories))
        self.begin = self._clicks[0].timestamp - 1
        self._items = frozenset(clicks["item_id"].unique())
        self._open, self._length = OpenEvents(gap), length
        self._next = 0
        self._queries: list[Query] = []
        self._wanted: list[Click] = []

    @property
    def due(self) -> int | None:
        """When the next one asks, ms since epoch."""
        return self._clicks[self._next].timestamp - 1 if self._next < len(self._clicks) else None

    def require(self, catalogue: frozenset[str]) -> None:
        """Check that there are items of the log among these."""
        if not catalogue & self._items:
            raise SettingsError(
                "the model knows none of the items of this log: train it on an earlier part of it, with `mos train`"
            )

    def ask(self, most: int, until: int) -> list[Query]:
        """The next requests; see ``Visitors``."""
        self._queries, self._wanted = [], []
        users: set[str] = set()
        while (due := self.due) is not None and due < until and len(users) < most:
            click = self._clicks[self._next]
            user = click.user_id
            if user in users:
                break  # what the user wants next is asked when this is answered
            users.add(user)
            self._next += 1
            self._wanted.append(click)
            events = self._open.of(user, due)
            self._queries.append(
                Query(
                    user_id=user,
                    profile=None,
                    events=events,
                    timestamp=due,
                    k=self._length,
                    exclude=[],
                    teaches=True,
                )
            )
        return self._queries

    def judge(self, lists: Lists) -> Judged:
        """NDCG of lists with the next click as the one right answer; a list that has it gets this click."""
        places = [
            items.index(click.item_id) if click.item_id in items else np.inf
            for items, click in zip(lists, self._wanted, strict=True)
        ]
        gains: Floats = 1 / np.log2(np.array(places) + 2)
        return Judged(gains, np.isfinite(places).astype(np.float64))

    def answer(self, request_ids: Sequence[str], lists: Lists, effects: Floats | None = None) -> Answers:
        """Show lists; see ``Visitors``."""
        if effects is not None:
            raise SettingsError("users of a recorded log click what they clicked: no effect can be planted in them")
        reports: list[list[Impression | Click]] = []
        hits = []
        for query, click, request_id, items in zip(self._queries, self._wanted, request_ids, lists, strict=True):
            hit = click.item_id in items
            hits.append(int(hit))
            named = msgspec.structs.replace(click, request_id=request_id) if hit else click
            self._open.add(query.user_id, [named])
            shown: list[Impression | Click] = [seen(query, request_id, items, query.timestamp)] if items else []
            reports.append([*shown, named])
        return Answers(reports, np.array(hits, np.int64))

    def theme_of(self, session: Session) -> int | None:
        """None: nobody knows."""
        del session
        return None
