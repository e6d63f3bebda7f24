"""Users of a recorded log, who answer lists with their own next clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from mos_online.arrays import Floats
from mos_online.contracts import Click, Context, Impression, Session
from mos_online.errors import DatasetError
from mos_online.recommend.query import Query
from simulator.loop.crowd_visitors import seen
from simulator.loop.open_events import OpenEvents
from simulator.loop.visitors import Answers, Lists
from simulator.replay.config import check_clicks


class LogVisitors:
    """Just before each click of a log its user asks. If the list has the item of the click, the click names the list.

    The clicks are those of the log, whatever is recommended: a list cannot win a click that did not happen.

    Attributes:
        begin: event time of the start, ms since epoch.
        catalogue: the items of the log.
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
        columns = clicks.select("user_id", "item_id", "event_id", "timestamp", "event_type", "session_id")
        self._clicks = columns.rows()
        self.begin = int(self._clicks[0][3]) - 1
        self.catalogue = frozenset(clicks["item_id"].unique())
        self._contexts: dict[str, Context] = {item: {"category": name} for item, name in categories.items()}
        self._open, self._length = OpenEvents(gap), length
        self._next = 0
        self._queries: list[Query] = []
        self._wanted: list[Click] = []

    @property
    def due(self) -> int | None:
        """When the next one asks, ms since epoch."""
        return int(self._clicks[self._next][3]) - 1 if self._next < len(self._clicks) else None

    def ask(self, most: int, until: int) -> list[Query]:
        """The next requests; see ``Visitors``."""
        self._queries, self._wanted = [], []
        users: set[str] = set()
        while (due := self.due) is not None and due < until and len(users) < most:
            user, item, event, timestamp, kind, session = self._clicks[self._next]
            if user in users:
                break  # what the user wants next is asked when this is answered
            users.add(user)
            self._next += 1
            self._wanted.append(
                Click(
                    event_id=event,
                    user_id=user,
                    item_id=item,
                    timestamp=timestamp,
                    event_type=kind,
                    session_id=session,
                    context=self._contexts.get(item),
                )
            )
            events = self._open.of(user, due)
            self._queries.append(
                Query(user_id=user, profile=None, events=events, timestamp=due, k=self._length, exclude=[])
            )
        return self._queries

    def judge(self, lists: Lists) -> Floats:
        """NDCG of lists with the next click as the one right answer."""
        places = [
            items.index(click.item_id) if click.item_id in items else np.inf
            for items, click in zip(lists, self._wanted, strict=True)
        ]
        gains: Floats = 1 / np.log2(np.array(places) + 2)
        return gains

    def answer(self, request_ids: Sequence[str], lists: Lists) -> Answers:
        """Show lists; see ``Visitors``."""
        reports: list[list[Impression | Click]] = []
        hits = []
        for query, click, request_id, items in zip(self._queries, self._wanted, request_ids, lists, strict=True):
            hit = click.item_id in items
            hits.append(int(hit))
            named = with_request(click, request_id) if hit else click
            self._open.add(query.user_id, [named])
            shown: list[Impression | Click] = [seen(query, request_id, items, query.timestamp)] if items else []
            reports.append([*shown, named])
        return Answers(reports, np.array(hits, np.int64))

    def theme_of(self, session: Session) -> int | None:
        """None: nobody knows."""
        del session
        return None


def with_request(click: Click, request_id: str) -> Click:
    """The same click, which says that it came from this answer."""
    return Click(
        event_id=click.event_id,
        user_id=click.user_id,
        item_id=click.item_id,
        timestamp=click.timestamp,
        event_type=click.event_type,
        session_id=click.session_id,
        request_id=request_id,
        context=click.context,
    )
