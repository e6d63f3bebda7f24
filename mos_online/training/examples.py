"""Training examples: at any event, what serving would have known of its user just before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mos_online.profile import UNROUTED, RingSizes
from mos_online.training.log import EventLog, Ints


@dataclass(frozen=True, kw_only=True)
class Rings:
    """Histories of B positions as concatenated event numbers; M rings of themes, the empty ones left out.

    Attributes:
        recent, recent_length: int64 (sum of lengths,) and (B,): the last events before the position, over all sessions.
        owner, theme: int64 (M,): which position's ring, and of which theme 1..K.
        events, length: int64 (sum of lengths,) and (M,): the events of the rings.
        sessions, all_sessions: float64 (M,): closed sessions of the theme, and of its user.
        cosine: float64 (M,): of the user's last closed session to the theme.
    """

    recent: Ints
    recent_length: Ints
    owner: Ints
    theme: Ints
    events: Ints
    length: Ints
    sessions: NDArray[np.float64]
    all_sessions: NDArray[np.float64]
    cosine: NDArray[np.float64]


class Examples:
    """Cuts histories out of a log.

    The history of an event is the profile that `mos_online.profile.apply_session` makes of all sessions before the
    event's own, with the events of its own session so far appended to the recent ring. An open session is in no
    theme's ring: serving does not know its theme before it closes.
    """

    def __init__(self, log: EventLog, *, themes: int, sizes: RingSizes) -> None:
        """Index the log.

        Args:
            log: the events.
            themes: K.
            sizes: of the rings.
        """
        self._log = log
        self._themes = themes
        self._sizes = sizes
        sessions = len(log.theme)
        self._sessions = sessions
        user_starts = np.searchsorted(log.user, np.arange(len(log.users)))
        self._user_start = user_starts[log.user]
        self._first_session = np.searchsorted(log.session_user, np.arange(len(log.users)))
        # Events and sessions grouped by (user, theme), in order of their session: a ring is a slice.
        group = log.user * (themes + 1) + log.theme[log.session]
        self._by_theme = np.argsort(group, kind="stable")
        self._event_keys = (group * sessions + log.session)[self._by_theme]
        self._session_keys = np.sort((log.session_user * (themes + 1) + log.theme) * sessions + np.arange(sessions))

    @property
    def log(self) -> EventLog:
        """The log that histories are cut from."""
        return self._log

    def known_before(self) -> NDArray[np.bool_]:
        """Whether the user of each event has any event before it: bool (E,)."""
        known: NDArray[np.bool_] = np.arange(len(self._log.item)) > self._user_start
        return known

    def rings(self, positions: Ints) -> Rings:
        """Histories just before the events ``positions``, int64 (B,)."""
        log, themes = self._log, self._themes
        begin = np.maximum(positions - self._sizes.recent, self._user_start[positions])
        session = log.session[positions]
        user = log.user[positions]
        group = (user[:, None] * (themes + 1) + np.arange(themes + 1)) * self._sessions
        lower = np.searchsorted(self._event_keys, group)
        upper = np.searchsorted(self._event_keys, group + session[:, None])
        lower = np.maximum(lower, upper - self._sizes.theme)
        lower[:, UNROUTED] = upper[:, UNROUTED]
        owner, theme = np.nonzero(upper > lower)
        lower, upper = lower[owner, theme], upper[owner, theme]
        before = np.searchsorted(self._session_keys, group + session[:, None])
        before = before - np.searchsorted(self._session_keys, group)
        return Rings(
            recent=_ranges(begin, positions),
            recent_length=positions - begin,
            owner=owner,
            theme=theme,
            events=self._by_theme[_ranges(lower, upper)],
            length=upper - lower,
            sessions=before[owner, theme].astype(np.float64),
            all_sessions=(session - self._first_session[user])[owner].astype(np.float64),
            cosine=log.cosines[session[owner] - 1, theme - 1],
        )


def _ranges(begin: Ints, end: Ints) -> Ints:
    """The numbers begin[0]..end[0]-1, begin[1]..end[1]-1, and so on."""
    lengths = end - begin
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(begin - starts, lengths)
