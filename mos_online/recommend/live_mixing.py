"""Learns in service how much neighbours and popularity count beside a model that gets older.

What each of them said is kept with the answer, for the first items of the list one by one, and for all others together.
When the user comes back and has clicked, it is known what each had given that click. From such clicks the weights are
learned again, as ``training.mixing`` learns them from later examples.
"""

from __future__ import annotations

import copy
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mos_online.model.batch import Batch, History
from mos_online.model.co_clicks import Evidence
from mos_online.model.mixing import Mixing, MixingAhead, had_before
from mos_online.model.mixture_weights import Clicked, MixtureWeights, divided, loss_of, most_likely
from mos_online.model.popularity import LEAST
from mos_online.model.sources import sources_of
from mos_online.recommend.candidates import Candidates
from mos_online.recommend.query import Query

FIRST_ITEMS = 100
"""So many items of an answer are kept one by one; they are many enough for what a list shows."""

USERS = 5_000
"""Of so many users who were learned from last the answer is kept."""

ASKED = 50_000
"""Of so many users who asked last it is known when."""

CLICKS = 4_000
"""The weights are learned from so many clicks, the newest."""

DUE = 500
"""They are learned again after so many more."""

JUDGED = 5
"""One of so many clicks, the newest, judges weights that were learned from the others."""

ROOM = 64
"""So many users are learned from between two calls of ``learn``, about a second: it costs a little time."""


class _Said(NamedTuple):
    """What was said to a user of the next click.

    Attributes:
        newest: time of the user's newest click (ms).
        known: item rows below it were candidates.
        rows: int32 (m,), of the first items.
        plain, had: float32 (1 + SOURCES, m + 1), see ``Clicked``; in the last column of all other items.
        speaks, shares, facts: of the user.
    """

    newest: int
    known: int
    rows: Tensor
    plain: Tensor
    had: Tensor
    speaks: Tensor
    shares: Tensor
    facts: Tensor

    def of(self, item: int) -> Clicked:
        """What was said of an item row, or of all others together, where it is one of them."""
        found = (self.rows == item).nonzero()
        column = int(found[0]) if len(found) else -1
        return Clicked(
            plain=self.plain[:, column].unsqueeze(0).clone(),
            had=self.had[:, column].unsqueeze(0).clone(),
            speaks=self.speaks.unsqueeze(0),
            shares=self.shares.unsqueeze(0),
            facts=self.facts.unsqueeze(0),
        )


class Answered(NamedTuple):
    """Some users of a batch were answered.

    Attributes:
        users: b of them; newest: time of the newest click of each (ms); rows: int64 (b,), theirs in the batch.
        scores: float32 (b, C), of the model, calibrated, before anything was mixed in.
        batch, evidence: of all users.
        candidates: that were ranked.
        columns: int64 (b, m), the first items of each list.
    """

    users: Sequence[str]
    newest: Sequence[int]
    rows: Tensor
    scores: Tensor
    batch: Batch
    evidence: Evidence
    candidates: Candidates
    columns: Tensor


class _Asked(NamedTuple):
    """A user asked.

    Attributes:
        newest: time of the user's newest click (ms).
        place: the ``Place`` of the user then.
        moment: nothing that happened later was known (ms).
        found: whether the answer was noted.
    """

    newest: int
    place: int
    moment: int
    found: bool


class _Click(NamedTuple):
    """The first click of a user after the answer to whom ``newest`` was the newest one; ``item``: its row."""

    user: str
    newest: int
    item: int


class LiveMixing:
    """The weights of one model for its users.

    One thread may call ``teaching`` and ``note``, which take little time, and another one ``learn``.

    Attributes:
        mixing: with the newest weights; another object when they have been learned.
        ahead: for lists for the next session. What is learned of lists for now moves its weights, too.
        learned_from: clicks that they were learned from; 0: they are those of the training.
    """

    def __init__(self, trained: Mixing, ahead: MixingAhead, *, learns: bool = True) -> None:
        """Begin with the weights of the training; unless it ``learns``, they stay."""
        self.mixing, self.ahead = trained, ahead
        self.learned_from = 0
        self._trained, self._trained_ahead = trained, ahead
        self._learns = learns
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._room = ROOM
        self._heard: deque[Answered | _Click] = deque()
        self._said: OrderedDict[str, _Said] = OrderedDict()
        self._clicked: deque[Clicked] = deque(maxlen=CLICKS)
        self._new = 0

    def anew(self) -> LiveMixing:
        """One that knows nothing yet."""
        return LiveMixing(self._trained, self._trained_ahead, learns=self._learns)

    def teaching(
        self, queries: Sequence[Query], histories: Sequence[History], places: Sequence[int], *, as_of: int
    ) -> list[int]:
        """Hear what users have clicked since they asked, and find those who are to be learned from now.

        A user counts once for each click, as in training, however often a page is loaded. Who comes back for another
        session has asked another question: what was answered before, inside the last one, led to no click.

        Args:
            queries: those that do not teach are passed over; histories: of the same users; places: where they are, see
                ``Mixing.places``.
            as_of: time of the newest click that is counted anywhere (ms). A user who has clicked before that, and of
                whose click the history knew nothing, teaches nothing: the counts knew it.

        Returns:
            Numbers of some queries, whose users have clicked or begun another session since they asked, or had not
            asked yet. ``note`` their answers.
        """
        found = []
        for number, (query, history, place) in enumerate(zip(queries, histories, places, strict=True)):
            if not query.teaches or not history.items.any():
                continue
            newest, before = int(history.times[-1]), self._asked.get(query.user_id)
            if before is not None:
                away = history.now - before.moment > self.mixing.gap_ms
                if newest < before.newest or ((newest, place) == before[:2] and not away):
                    continue
                if newest > before.newest and before.found and (item := _first_after(before, history)):
                    self._heard.append(_Click(query.user_id, before.newest, item))
            self._asked[query.user_id] = _Asked(newest, place, max(history.now, as_of), self._room > 0)
            self._asked.move_to_end(query.user_id)
            if self._room > 0:
                self._room -= 1
                found.append(number)
        while len(self._asked) > ASKED:
            self._asked.popitem(last=False)
        return found

    def note(self, answered: Answered) -> None:
        """Hear what was answered to users whom ``teaching`` has found."""
        if self._learns:
            self._heard.append(answered)

    def learn(self) -> None:
        """Take what was heard, and learn the weights again, if enough has been clicked since the last time."""
        for _ in range(len(self._heard)):
            heard = self._heard.popleft()
            if isinstance(heard, Answered):
                self._keep(heard)
            else:
                self._settle(heard)
        self._room = ROOM
        if self._new >= DUE:
            self._new = 0
            self._learn(Clicked.joined(self._clicked))

    def _learn(self, clicked: Clicked) -> None:
        """Learn from all clicks, if what is learned from the older ones is better for the newest than the training."""
        border, trained = len(clicked.facts) - len(clicked.facts) // JUDGED, MixtureWeights.of(self._trained)
        learned = most_likely(clicked[:border], trained, MixtureWeights.of(self.mixing), steps=30)
        lost = [loss_of(clicked[border:], weights, again).item() for weights, again, _ in (learned, trained)]
        if not lost[0] < lost[1]:
            self.mixing, self.ahead, self.learned_from = self._trained, self._trained_ahead, 0
            return
        learned = most_likely(clicked, trained, learned, steps=10)
        mixing = copy.deepcopy(self._trained)
        mixing.set_weights(learned.weights.float(), learned.again.item(), mixing.calibration)
        ahead = copy.deepcopy(self._trained_ahead).move(self._trained, mixing)
        self.mixing, self.ahead, self.learned_from = mixing, ahead, len(clicked.facts)

    def _settle(self, click: _Click) -> None:
        said = self._said.pop(click.user, None)
        if said is None or said.newest != click.newest or click.item >= said.known:
            return
        clicked = said.of(click.item)
        if clicked.plain.isfinite().all() and clicked.had.isfinite().all() and clicked.facts.isfinite().all():
            self._clicked.append(clicked)
            self._new += 1

    @torch.inference_mode()
    def _keep(self, answered: Answered) -> None:
        rows, columns, candidates = answered.rows, answered.columns, answered.candidates
        had = had_before(answered.batch, candidates.slot, answered.scores.shape[1])[rows]
        evidence = answered.evidence.of(rows)
        now = [candidates.popular]
        said = sources_of(answered.scores, had, evidence, now, torch.zeros_like(rows), candidates.slot, columns)
        again = had.gather(1, columns).unsqueeze(1).repeat(1, said.logs.shape[1], 1)
        again[:, 0] = False  # the model knows how likely users come back to an item
        share = torch.cat([torch.zeros(len(rows), 1), said.shares], 1)
        plain, of_had = divided(said.logs, again)
        plain, of_had = _with_others(plain, 1 - share), _with_others(of_had, share)
        parts = candidates.columns[columns].int(), plain, of_had, said.speaks, said.shares, evidence.facts
        for number, (user, newest) in enumerate(zip(answered.users, answered.newest, strict=True)):
            of_user = (part[number].clone() for part in parts)
            self._said[user] = _Said(newest, len(candidates.names), *of_user)
            self._said.move_to_end(user)
        while len(self._said) > USERS:
            self._said.popitem(last=False)


def _first_after(asked: _Asked, history: History) -> int:
    """Row of the first item after an answer; 0: nobody knows the item, or it is not known what came first.

    A click before the moment of the answer of which the answer knew nothing is no click after it, nor is the next one.
    """
    after = int(np.searchsorted(history.times, asked.newest, side="right"))
    if not 0 < after < len(history.times) or history.times[after - 1] != asked.newest:
        return 0
    return int(history.items[after]) if history.times[after] > asked.moment else 0


def _with_others(first: Tensor, whole: Tensor) -> Tensor:
    """Log of the chances of the first items, (B, S, m), and of what is left of the whole, (B, S): (B, S, m + 1)."""
    others = (whole - first.exp().sum(2)).clamp(min=LEAST).log().unsqueeze(2)
    return torch.cat([first, others], 2)
