"""Fine-tunes a model: one pass over what is new and what is replayed, in order of time."""

from __future__ import annotations

import torch

from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.data import TuningData
from mos_online.model import MoS
from mos_online.training.fit import refresh
from mos_online.training.loss import ranking_loss


def tune(model: MoS, data: TuningData, config: FineTuneConfig) -> int:
    """Learn, and return from how many examples.

    The rows of items that nobody clicked in these examples stay as they are. The softmax over the catalogue would move
    them all a little in each step, and Adam takes little steps for large ones.

    Args:
        model: from ``warm_start``; changed in place.
        data: the examples.
        config: rate and limits.
    """
    clicked = torch.zeros(len(model.item.weight), 1)
    clicked[torch.from_numpy(data.learned.log.items[data.window.learned])] = 1.0
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    hook = model.item.weight.register_hook(lambda gradient: gradient * clicked)
    try:
        done = refresh(
            model,
            len(data.learned),
            lambda numbers: ranking_loss(model, data.learned.of(numbers), generator),
            rate=config.rate,
            together=config.step,
            seconds=60 * config.minutes,
        )
    finally:
        hook.remove()
    return sum(len(moment.positions) for moment in data.learned.moments[:done])
