"""Fine-tunes a model: one pass over what is new and what is replayed, in order of time."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch

from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.data import TuningData
from mos_online.model import MoS
from mos_online.training.examples import ExampleLog
from mos_online.training.fit import refresh
from mos_online.training.loss import ranking_loss
from mos_online.training.mixing import learn_mixing


def tune(model: MoS, data: TuningData, config: FineTuneConfig) -> int:
    """Learn, and return from how many examples.

    First all but the newest clicks are learned. On the newest ones it is learned how much neighbours count beside the
    model: a model that has become better needs them less. Then these are learned, too. Lists for the next session keep
    what is different in them: in so short a time too few users come back, and only those who are quick.

    The rows of items that nobody clicked in these examples stay as they are. The softmax over the catalogue would move
    them all a little in each step, and Adam takes little steps for large ones.

    Args:
        model: from ``warm_start``; changed in place.
        data: the examples.
        config: rate and limits.
    """
    positions = np.concatenate([data.window.learned, data.window.mixing])
    clicked = torch.zeros(len(model.item.weight), 1)
    clicked[torch.from_numpy(data.learned.log.items[positions])] = 1.0
    torch.manual_seed(config.seed)
    until = time.monotonic() + 60 * config.minutes
    hook = model.item.weight.register_hook(lambda gradient: gradient * clicked)
    try:
        learned = _pass(model, data.learned, config.step, until, config)
        begun = copy.deepcopy(model.mixing)
        learn_mixing(model, data.mixing)
        model.ahead.move(begun, model.mixing)
        return learned + _pass(model, data.mixing, config.step * config.moment // config.judged, until, config)
    finally:
        hook.remove()


def _pass(model: MoS, examples: ExampleLog, together: int, until: float, config: FineTuneConfig) -> int:
    """One pass until a moment of the monotonic clock; of how many examples."""
    generator = torch.Generator().manual_seed(config.seed)
    done = refresh(
        model,
        len(examples),
        lambda numbers: ranking_loss(model, examples.of(numbers), generator),
        rate=config.rate,
        together=together,
        seconds=until - time.monotonic(),
    )
    return sum(len(moment.positions) for moment in examples.moments[:done])
