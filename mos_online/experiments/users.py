"""The users of an experiment: who was exposed when, whose window is open, and who is finished."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from mos_online.contracts import Outcome, Session
from mos_online.experiments.counting import Counting, Sums
from mos_online.experiments.early_row import EARLY, EarlyRow
from mos_online.experiments.past import Past
from mos_online.experiments.user_row import UserRow

MOST_USERS = 5_000_000
"""Users that an experiment counts; whoever comes later is left out, in all arms alike."""

DIGEST = 8


class UserRules(msgspec.Struct, frozen=True, kw_only=True):
    """Times of an experiment, ms.

    Attributes:
        window: a user counts so long from the first exposure on.
        settle: so long after the window what has happened in it is waited for: until the last answers have their
            outcomes, and the last sessions have closed.
        maximum: nobody is exposed later than this after the first one.
    """

    window: int
    settle: int
    maximum: int


class UsersState(msgspec.Struct, kw_only=True):
    """All that a restart needs.

    Attributes:
        begun_at: time of the first exposure, ms; -1 before.
        exposed: users by arm.
        open: their rows, in the order in which they will be finished.
        early: rows of those whose first hour is not over, in the order in which it will be.
        entered: digests of all users who were ever exposed, sorted, ``DIGEST`` bytes each.
        popularity: of items before the experiment.
        usual: what an outlier did more of, before the experiment.
        left_out: ``too_many_users``; ``another_arm``: answers of another arm than the user's first; and ``too_late``:
            users whose first answer came to be known so late that what they did since is not known any more.
    """

    begun_at: int = -1
    exposed: dict[str, int] = {}
    open: list[UserRow] = []
    early: list[EarlyRow] = []
    entered: bytes = b""
    popularity: dict[str, float] = {}
    usual: Sums | None = None
    left_out: dict[str, int] = {}


class ExperimentUsers:
    """Takes outcomes and sessions in the order of event time, and gives each user once, when the window has closed.

    A user's window begins with the first answer that was shown and that the arm could change. What is given is a
    function of the records and their order: it does not matter how they come in batches. Nobody counts by halves: a
    user whose first answer comes late, when sessions since then are summed up already, never counts.

    Attributes:
        begun_at: time of the first exposure, ms; -1 before.
        exposed: users by arm.
        usual: what an outlier did more of, before the experiment; None if it is not known.
        left_out: see ``UsersState``.
    """

    def __init__(self, rules: UserRules, counting: Counting, past: Past, state: UsersState | None = None) -> None:
        """Begin, or go on.

        Args:
            rules: times.
            counting: what counts.
            past: what users did before; whoever calls brings it up to date first.
            state: of an earlier run.
        """
        state = state or UsersState()
        self._rules, self._counting, self._past = rules, counting, past
        self.begun_at, self.usual = state.begun_at, state.usual
        self.exposed, self.left_out = Counter(state.exposed), Counter(state.left_out)
        self._popularity = state.popularity
        self._open = {row.user_id: row for row in state.open}
        self._early = {row.user_id: row for row in state.early}
        self._due = [row.due for row in state.open]
        self._early_due = [row.due for row in state.early]
        heapq.heapify(self._due)
        heapq.heapify(self._early_due)
        self._entered = {state.entered[at : at + DIGEST] for at in range(0, len(state.entered), DIGEST)}

    def last(self, maximum: int) -> None:
        """Let the longest duration be another one, ms."""
        self._rules = msgspec.structs.replace(self._rules, maximum=maximum)

    @property
    def open(self) -> int:
        """Users whose window has not closed."""
        return len(self._open)

    def take_outcome(self, outcome: Outcome, arm: str, event_time: int) -> UserRow | None:
        """Take an answer to a user of an arm.

        Args:
            outcome: of the answer.
            arm: of the user.
            event_time: of its batch, ms.

        Returns:
            The user's row if it is the user's first exposure.
        """
        if outcome.trigger == "test" or outcome.shown_by == "nothing":
            return None
        row = self._open.get(outcome.user_id)
        if row is not None:
            if row.arm != arm:
                self.left_out["another_arm"] += 1
            else:
                row.take_outcome(outcome)
                if (early := self._early.get(outcome.user_id)) is not None:
                    early.take_outcome(outcome, self._popularity)
            return None
        if _shared(outcome):
            return None
        digest = blake2b(outcome.user_id.encode(), digest_size=DIGEST).digest()
        if digest in self._entered:
            return None
        return self._enter(outcome, arm, digest, event_time)

    def take_session(self, session: Session) -> None:
        """Take a closed session of anybody."""
        row = self._open.get(session.user_id)
        if row is not None and session.watermark > row.exposed_at:
            row.take_session(session, self._counting)
            if (early := self._early.get(session.user_id)) is not None:
                early.take_session(session, self._counting)

    def early(self, event_time: int) -> Iterator[EarlyRow]:
        """Those whose first hour is over before an event time (ms), in order; each is given once in all."""
        while self._early_due and self._early_due[0][0] < event_time:
            _, user = heapq.heappop(self._early_due)
            yield self._early.pop(user)

    def finished(self, event_time: int) -> Iterator[UserRow]:
        """Those who are finished before an event time (ms), in order; each is given once in all."""
        while self._due and self._due[0][0] < event_time:
            _, user = heapq.heappop(self._due)
            yield self._open.pop(user)

    def over(self, event_time: int) -> bool:
        """Whether nobody can be exposed any more."""
        return self.begun_at >= 0 and event_time >= self.begun_at + self._rules.maximum

    def state(self) -> UsersState:
        """All that a restart needs."""
        return UsersState(
            begun_at=self.begun_at,
            exposed=dict(self.exposed),
            open=sorted(self._open.values(), key=lambda row: row.due),
            early=sorted(self._early.values(), key=lambda row: row.due),
            entered=b"".join(sorted(self._entered)),
            popularity=self._popularity,
            usual=self.usual,
            left_out=dict(self.left_out),
        )

    def _enter(self, outcome: Outcome, arm: str, digest: bytes, event_time: int) -> UserRow | None:
        at, rules = outcome.timestamp, self._rules
        if self.begun_at >= 0 and at >= self.begun_at + rules.maximum:
            return None
        if len(self._entered) >= MOST_USERS:
            self.left_out["too_many_users"] += 1
            return None
        self._entered.add(digest)
        if not self._past.is_whole(at, event_time):
            self.left_out["too_late"] += 1
            return None
        if self.begun_at < 0:
            self.begun_at = at
            self._popularity, self.usual = self._past.popularity(at), self._past.usual(at, rules.window)
        self.exposed[arm] += 1
        user = outcome.user_id
        row, early = self._rows(user, arm, at, [item.item_id for item in outcome.items if item.position is not None])
        row.take_outcome(outcome)
        early.take_outcome(outcome, self._popularity)
        for session in self._past.since(user, at):
            row.take_session(session, self._counting)
            early.take_session(session, self._counting)
        self._open[user], self._early[user] = row, early
        heapq.heappush(self._due, row.due)
        heapq.heappush(self._early_due, early.due)
        return row

    def _rows(self, user: str, arm: str, at: int, first: list[str]) -> tuple[UserRow, EarlyRow]:
        """The rows of a user who was exposed at a moment (ms) by these items."""
        window, settle = self._rules.window, self._rules.settle
        hour = min(window, EARLY)
        row = UserRow(
            user_id=user,
            arm=arm,
            exposed_at=at,
            until=at + window,
            settled_at=at + window + settle,
            before=self._past.of(user, at),
        )
        early = EarlyRow(
            user_id=user, arm=arm, exposed_at=at, until=at + hour, settled_at=at + hour + settle, first=first
        )
        return row, early


def _shared(outcome: Outcome) -> bool:
    """Whether all arms would have answered this: nothing was known of the user, and the most popular items went out.

    That the model knows none of a user's items depends on the arm's model, so such an answer is an exposure.
    """
    found = outcome.fallback
    return found is not None and found.source == "popularity" and found.reason != "no_known_items"
