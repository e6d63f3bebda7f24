"""Learns in service how much neighbours and popularity count beside a model that gets older.

What each of them said is kept with the answer, for the first items of the list one by one, and for all others together.
When the user comes back and has clicked, it is known what each had given that click. From such clicks the weights are
learned again, as ``training.mixing`` learns them from later examples.
"""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mos_online.model.batch import Batch, History
from mos_online.model.co_clicks import Evidence
from mos_online.model.mixing import LEAST, Mixing, had_before
from mos_online.model.mixture_weights import NEVER, Clicked, MixtureWeights, most_likely
from mos_online.model.sources import sources_of
from mos_online.recommend.candidates import Candidates

log = logging.getLogger(__name__)

FIRST_ITEMS = 100
"""So many items of an answer are kept one by one; they are many enough for what a list shows."""

USERS = 5_000
"""Of so many users who asked last the answer is kept."""

CLICKS = 4_000
"""The weights are learned from so many clicks, the newest."""

DUE = 500
"""They are learned again after so many more."""

ROOM = 64
"""So many users are learned from between two looks at the popularity, about a second: it costs them a little time."""


class _Said(NamedTuple):
    """What was said to a user of the next click.

    Attributes:
        rows: int32 (m,), of the first items.
        plain, had: float32 (1 + SOURCES, m + 1), see ``Clicked``; in the last column of all other items.
        speaks, shares, facts: of the user.
    """

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
        users: b of them; rows: int64 (b,), theirs in the batch.
        scores: float32 (b, C), of the model, before anything was mixed in.
        batch, evidence: of all users.
        candidates: that were ranked.
        columns: int64 (b, m), the first items of each list.
    """

    users: Sequence[str]
    rows: Tensor
    scores: Tensor
    batch: Batch
    evidence: Evidence
    candidates: Candidates
    columns: Tensor


class _Click(NamedTuple):
    """The first click of a user after an answer; ``item``: its row."""

    user: str
    item: int


class LiveMixing:
    """The weights of one model for its users.

    One thread may call ``teaching`` and ``note``, which take little time, and another one ``learn``.

    Attributes:
        mixing: with the newest weights; another object when they have been learned.
        learned_from: clicks that they were learned from; 0: they are those of the training.
    """

    def __init__(self, trained: Mixing) -> None:
        """Begin with the weights of the training, to which all later ones are pulled."""
        self.mixing = trained
        self.learned_from = 0
        self._trained = trained
        self._asked: OrderedDict[str, int] = OrderedDict()
        self._room = ROOM
        self._heard: deque[Answered | _Click] = deque()
        self._said: OrderedDict[str, _Said] = OrderedDict()
        self._clicked: deque[Clicked] = deque(maxlen=CLICKS)
        self._new = 0

    def teaching(self, users: Sequence[str], histories: Sequence[History]) -> list[int]:
        """Hear what users have clicked since they asked, and find those who are to be learned from now.

        A user counts once for each click, as in training, however often a page is loaded, and whether or not somebody
        tries how much load the service bears.

        Returns:
            Numbers of some users, who have clicked since they asked, or had not asked yet. ``note`` their answers.
        """
        found = []
        for number, (user, history) in enumerate(zip(users, histories, strict=True)):
            if not len(history.times):
                continue
            newest, before = int(history.times[-1]), self._asked.pop(user, None)
            self._asked[user] = newest if before is None else max(newest, before)
            if before is not None:
                if newest <= before:
                    continue
                if item := _first_after(before, history):
                    self._heard.append(_Click(user, item))
            if self._room > 0:
                self._room -= 1
                found.append(number)
        while len(self._asked) > USERS:
            self._asked.popitem(last=False)
        return found

    def note(self, answered: Answered) -> None:
        """Hear what was answered to users whom ``teaching`` has found."""
        self._heard.append(answered)

    def learn(self) -> None:
        """Take what was heard, and learn the weights again, if enough has been clicked since the last time."""
        for _ in range(len(self._heard)):
            heard = self._heard.popleft()
            if isinstance(heard, Answered):
                self._keep(heard)
            elif (said := self._said.pop(heard.user, None)) is not None:
                self._clicked.append(said.of(heard.item))
                self._new += 1
        self._room = ROOM
        if self._new < DUE:
            return
        self._new = 0
        clicked = Clicked.joined(self._clicked)
        found = most_likely(clicked, MixtureWeights.of(self._trained), MixtureWeights.of(self.mixing))
        if not (found.weights.isfinite().all() and found.again.isfinite().all()):
            log.error("the weights of what is mixed in are not learned again: they are not finite")
            return
        mixing = copy.deepcopy(self._trained)
        mixing.set_weights(found.weights.float(), found.again.item(), corrected=bool(mixing.corrected))
        self.mixing, self.learned_from = mixing, len(clicked.facts)

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
        plain = _with_others(torch.where(again, NEVER, said.logs), 1 - share)
        of_had = _with_others(torch.where(again, said.logs, NEVER), share)
        for number, user in enumerate(answered.users):
            parts = candidates.columns[columns].int(), plain, of_had, said.speaks, said.shares, evidence.facts
            self._said.pop(user, None)
            self._said[user] = _Said(*(part[number].clone() for part in parts))
        while len(self._said) > USERS:
            self._said.popitem(last=False)


def _first_after(time: int, history: History) -> int:
    """Row of the first item after that click of the history; 0: the history has no such click, or nobody knows it."""
    after = int(np.searchsorted(history.times, time, side="right"))
    if not 0 < after < len(history.times) or history.times[after - 1] != time:
        return 0
    return int(history.items[after])


def _with_others(first: Tensor, whole: Tensor) -> Tensor:
    """Log of the chances of the first items, (B, S, m), and of what is left of the whole, (B, S): (B, S, m + 1)."""
    others = (whole - first.exp().sum(2)).clamp(min=LEAST).log().unsqueeze(2)
    return torch.cat([first, others], 2).clamp(min=NEVER)
