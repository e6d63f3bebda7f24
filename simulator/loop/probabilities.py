"""What it is worth that click probabilities follow the stream: fast weights beside the first ones that were learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from mos_online.contracts import Outcome
from mos_online.learning.fast_weights import ModelWeights
from mos_online.learning.learner import FastLearner, shown_of
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.metrics import Estimate, clustered_mean


class Probabilities(msgspec.Struct, frozen=True, kw_only=True):
    """How right click probabilities were, on the same displayed items.

    Attributes:
        items: that were displayed while there were both.
        clicks: on them.
        expected: clicks by the probabilities of the ``first`` and of the ``newest`` weights.
        gain: how much log loss of an item the newest ones have less, with an interval over users.
    """

    items: int
    clicks: int
    expected: dict[str, float]
    gain: Estimate


class SimulatedFastWeights:
    """Learns click probabilities as the learner does, and judges each outcome before it is learned.

    The first weights of a model are those that a service would have kept if the learner had been stopped then.
    """

    name, horizon = "fast-weights", 0

    def __init__(self) -> None:
        self._learner = FastLearner()
        self._first: dict[str, ModelWeights] = {}
        self._newest: dict[str, ModelWeights] = {}
        self._judged: list[tuple[str, int, bool, float, float]] = []

    def take(self, batch: LearningBatch) -> None:
        """Judge what was shown, then learn from it."""
        for outcome in batch.outcomes:
            self._judge(outcome, batch.event_time)
            self._learner.outcome(outcome)

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Renew the weights, as the service does every second."""
        del event_time
        weights = self._learner.weights()
        self._newest = weights.models if weights is not None else {}
        self._first = self._newest | self._first
        return ()

    def hear(self, alarm: Alarm) -> None:
        """Nothing asks for anything here."""

    def status(self) -> Mapping[str, object]:
        """How many displayed items were judged."""
        return {"items": len(self._judged)}

    def found(self, begin: int) -> Probabilities:
        """Of what came to be known from an event time (ms since epoch) on."""
        judged = [one for one in self._judged if one[1] >= begin]
        gains = [_loss(first, clicked) - _loss(newest, clicked) for _, _, clicked, first, newest in judged]
        return Probabilities(
            items=len(judged),
            clicks=sum(clicked for _, _, clicked, _, _ in judged),
            expected={"first": sum(one[3] for one in judged), "newest": sum(one[4] for one in judged)},
            gain=clustered_mean(gains, [one[0] for one in judged]),
        )

    def _judge(self, outcome: Outcome, event_time: int) -> None:
        version = outcome.model_version
        if version not in self._newest or outcome.score_level is None:
            return
        pair = self._first[version], self._newest[version]
        for shown in shown_of(outcome):
            first, newest = (weights.p_click(shown.x, shown.position, shown.theme) for weights in pair)
            self._judged.append((outcome.user_id, event_time, shown.clicked, first, newest))


def _loss(p: float, clicked: bool) -> float:
    """Log loss of a probability."""
    return -math.log(p if clicked else 1 - p)
