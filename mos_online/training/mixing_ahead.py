"""Learns how lists are made that come when a session closes, for the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mos_online.model.mixture_weights import MixtureWeights, losses_of, most_likely, surely
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog
from mos_online.training.measure import Quality, measure, ranked
from mos_online.training.mixing import said_of
from mos_online.training.ranking import Ranked

FEWEST = 200
"""With fewer examples nothing is tried: so few tell more of chance than of a difference."""


def learn_mixing_ahead(model: SequenceModel, data: ExampleLog) -> None:
    """Set ``model.ahead``: how lists are made when a session closes, for the next one.

    They begin as the lists for now. Two things are tried, alone and together: that users are read as they will be after
    the median time until the next session, and other weights, learned from the older half of the examples. What is best
    for the newer half is taken, if it is better than a list for now by more than one standard error. The items that a
    user had come last if that ranks the examples better; a choice of two, for which nothing is fitted, has no such
    margin. With fewer than ``FEWEST`` examples nothing is tried.

    Args:
        model: its mixing has been learned; everything else of it stays as it is.
        data: later examples than it has learned, in the order in which they are asked for, with neighbours.
    """
    ahead = model.ahead
    if not model.mixing.learned:
        return
    ahead.follow(model.mixing)
    waits = [data.log.times[one.positions] - one.asked for one in data.moments if one.asked is not None]
    if not waits:
        return
    calibration, before = ahead.calibration, MixtureWeights.of(ahead)
    best, base = _Tried(0.0, ahead.delay_ms, before), None
    for delay in (ahead.delay_ms, int(np.median(np.concatenate(waits)))):
        found = said_of(model, replace(data, delay_ms=delay), ahead, [calibration])
        if not found or len(found[0].facts) < FEWEST:
            return
        clicked = found[0]
        half = len(clicked.facts) // 2
        for weights in (before, most_likely(clicked[:half], before)):
            losses = losses_of(clicked[half:], weights.weights, weights.again)
            base = losses if base is None else base
            gain = surely(base - losses)
            if gain > best.gain:
                best = _Tried(gain, delay, weights if weights is before else most_likely(clicked, before))
    ahead.set_weights(best.weights.weights.float(), best.weights.again.item(), calibration)
    ahead.delay.fill_(best.delay_ms)
    gains = []
    for leaves_out in (False, True):
        ahead.leaves_out.fill_(float(leaves_out))
        gains.append(_ranked(model, data).gains)
    ahead.leaves_out.fill_(float(gains[1].mean() > gains[0].mean()))


def measure_ahead(model: SequenceModel, data: ExampleLog, log_share: Tensor) -> Quality:
    """How good the lists for the next session are on such examples."""
    return measure(model, replace(data, delay_ms=model.ahead.delay_ms), log_share, mixing=model.ahead)


def _ranked(model: SequenceModel, data: ExampleLog) -> Ranked:
    log_share = torch.zeros(len(model.item_theme))
    return ranked(model, replace(data, delay_ms=model.ahead.delay_ms), log_share, mixing=model.ahead)


class _Tried(NamedTuple):
    """A way to make lists for the next session.

    Attributes:
        gain: how much more likely than before it makes a click, less one standard error (nats).
        delay_ms, weights: of ``MixingAhead``.
    """

    gain: float
    delay_ms: int
    weights: MixtureWeights
