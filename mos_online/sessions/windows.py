"""Where sessions are opened, extended, joined and closed: the window logic of one partition."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from mos_online.contracts import Click, Session, SessionEvent, without_user
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.cut import Cut, first_cut, whole_cut
from mos_online.sessions.keys import publisher_key
from mos_online.sessions.offsets import Block
from mos_online.sessions.open_events import OpenEvents


class SessionWindows:
    """The open sessions of one partition. Events go in; sessions come out when the watermark completes them.

    Each key (a user, or a user and the publisher's ``session_id``) has its open events in one ordered list. An event
    in the middle may join what looked like two sessions, so the list is cut into sessions only when the watermark
    says that no event can come in between any more.

    A heap holds, per key, a watermark at which its first session may close. It is never too late, but may be too
    early, because the session grew since; then ``close`` sets the next one.

    Attributes:
        config: the rules; change them with ``change_rules``.
        open_events: events whose session is open.
        duplicates: events ignored because they repeat one whose session is open.

    >>> from mos_online.sessions.checkpoint import ClockState
    >>> windows = SessionWindows(SessionConfig(gap=1000))
    >>> windows.add("u", Click(event_id="a", user_id="u", item_id="x", timestamp=0), Block(0, ClockState()))
    True
    >>> windows.close(watermark=1000)
    []
    >>> [session.session_id for session in windows.close(watermark=1001)]
    ['u:0:a']
    """

    def __init__(self, config: SessionConfig) -> None:
        self.config = config
        self._types = config.types
        self.open_events = 0
        self.duplicates = 0
        self._open: dict[str, OpenEvents] = {}
        self._deadlines: list[tuple[int, str]] = []

    def __len__(self) -> int:
        """Keys with an open session, or whose session was just cut by a cap or an end event."""
        return len(self._open)

    @property
    def next_deadline(self) -> int | None:
        """No session closes before the watermark (ms) is here; None if nothing is open."""
        return self._deadlines[0][0] if self._deadlines else None

    def add(self, key: str, click: Click, block: Block) -> bool | None:
        """Put an accepted click among the open events of ``key``, unless it is there already.

        A click is there already if an event has its id, its time and all the rest of its content.

        Args:
            key: events with different keys never share a session.
            click: not older than the watermark.
            block: the offsets among which it was read; it counts the click until its session closes.

        Returns:
            Whether the click is taken: False if it is there already; None if an event has its id and its time, but
            other content.
        """
        timestamp = click.timestamp
        event = without_user(click)
        opened = self._open.get(key)
        if opened is None:
            opened = self._open[key] = OpenEvents(click.user_id)
        elif opened.events and timestamp <= opened.events[-1].timestamp and (twins := opened.twins(event)):
            repeated = event in twins
            self.duplicates += repeated
            return False if repeated else None
        elif opened.floor is not None:
            opened.user_id = click.user_id  # after a restart only the floor was known
        appended = opened.add(event, block)
        self.open_events += 1
        config = self.config
        events = opened.events
        length = len(events)
        if events[0] is event:
            heapq.heappush(self._deadlines, (timestamp + min(config.gap, config.max_duration) + 1, key))
        elif appended and opened.whole:
            silent = timestamp - events[-2].timestamp > config.gap
            opened.whole = not silent and timestamp - events[0].timestamp <= config.max_duration
        if not appended:
            opened.whole = False
        full = length == config.max_events or (length > config.max_events and not appended)
        if full or self._types[click.event_type].kind == "end":
            opened.whole = False
            heapq.heappush(self._deadlines, (first_cut(events, config).closes_at, key))
        return True

    def close(self, watermark: int) -> list[Session]:
        """Close every session that no event at or after ``watermark`` (ms) can change.

        Returns:
            The sessions in the order of (watermark at which they could close, user, session_id).
        """
        deadlines = self._deadlines
        if not deadlines or deadlines[0][0] > watermark:
            return []
        closed: list[Session] = []
        while deadlines and deadlines[0][0] <= watermark:
            _, key = heapq.heappop(deadlines)
            opened = self._open.get(key)
            if opened is not None:
                self._close_key(key, opened, watermark, closed)
        if len(closed) > 1:
            closed.sort(key=_closing_order)
        return closed

    def change_rules(self, config: SessionConfig) -> None:
        """Cut what is open by other rules from here on; sessions closed before stay as they are.

        The floors of those sessions are forgotten: ask for them before.
        """
        regroup = config.publisher_ids != self.config.publisher_ids
        self.config, self._types = config, config.types
        before = [opened for opened in self._open.values() if opened.events]
        self._open, self._deadlines = {}, []
        for opened in before:
            opened.whole, opened.floor = False, None
            if not regroup:
                self._open[self._key(opened.user_id, opened.events[0])] = opened
                continue
            for event, block in zip(opened.events, opened.blocks, strict=True):
                key = self._key(opened.user_id, event)
                joined = self._open.get(key)
                if joined is None:
                    joined = self._open[key] = OpenEvents(opened.user_id)
                joined.whole = False
                joined.events.append(event)
                joined.blocks.append(block)
        for key, opened in self._open.items():
            if regroup:
                opened.sort()
            heapq.heappush(self._deadlines, (first_cut(opened.events, config).closes_at, key))

    def _key(self, user_id: str, event: SessionEvent) -> str:
        return publisher_key(user_id, event.session_id) if self.config.publisher_ids else user_id

    def floors(self) -> dict[str, tuple[int, str]]:
        """Per key whose last session was cut while the user may have gone on: that session's last event.

        Returns:
            (timestamp in ms, event_id) by key.
        """
        return {key: opened.floor for key, opened in self._open.items() if opened.floor is not None}

    def restore_floors(self, floors: Mapping[str, tuple[int, str]]) -> None:
        """Remember what ``floors`` returned before a crash."""
        for key, floor in floors.items():
            self._open.setdefault(key, OpenEvents("")).floor = floor
            heapq.heappush(self._deadlines, (floor[0] + self.config.gap + 1, key))

    def _close_key(self, key: str, opened: OpenEvents, watermark: int, closed: list[Session]) -> None:
        """Close what can be closed of one key, and set the next deadline."""
        config = self.config
        while opened.events:
            length, reason, closes_at = self._cut(opened)
            if closes_at > watermark:
                heapq.heappush(self._deadlines, (closes_at, key))
                return
            events = opened.cut(length)
            first, last = events[0], events[-1]
            opened.whole = not opened.events
            opened.floor = None if reason == "gap" else (last.timestamp, last.event_id)
            self.open_events -= length
            closed.append(
                Session(
                    session_id=session_id(opened.user_id, first),
                    user_id=opened.user_id,
                    started_at=first.timestamp,
                    ended_at=last.timestamp,
                    events=events,
                    close_reason=reason,
                    watermark=closes_at,
                    revision=config.revision,
                )
            )
        if opened.floor is None or opened.floor[0] + config.gap < watermark:
            del self._open[key]
        else:
            heapq.heappush(self._deadlines, (opened.floor[0] + config.gap + 1, key))

    def _cut(self, opened: OpenEvents) -> Cut:
        events = opened.events
        if opened.whole:
            return whole_cut(len(events), events[0].timestamp, events[-1].timestamp, self.config)
        return first_cut(events, self.config)


def session_id(user_id: str, first: SessionEvent) -> str:
    """The id of the session that begins with ``first``: the same in every replay of the log."""
    return f"{user_id}:{first.timestamp}:{first.event_id}"


def _closing_order(session: Session) -> tuple[int, str, str]:
    return session.watermark, session.user_id, session.session_id
