"""Gradient descent with early stopping, for any sequence model and any loss."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.sequence_model import SequenceModel

LONGEST_GRADIENT = 5.0
"""Gradients are scaled down to this norm."""

Loss = Callable[[int], Tensor]
"""Loss of a step, by its number."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much fitting may cost.

    Attributes:
        seconds: of wall-clock time; a pass that is under way then is cut short.
        epochs, patience: at most so many passes, and so many without a better one.
        rate: learning rate; falls to a tenth over the budget.
    """

    seconds: float
    epochs: int
    patience: int
    rate: float


def fit(
    model: SequenceModel,
    steps: int,
    loss: Loss,
    quality: Callable[[], float],
    *,
    budget: Budget,
    seed: int,
    on_progress: Callable[[float, str], None] = lambda part, words: None,
) -> tuple[float, int]:
    """Adam with early stopping; leaves the best weights in the model.

    Args:
        model: changed in place.
        steps: of a pass; each takes one moment, in random order.
        loss: of a moment (0..steps - 1).
        quality: of the model as it is, on moments later than any of those; higher is better.
        budget: time, passes and learning rate.
        seed: of the order.
        on_progress: gets the share done (0..1) and a line of words.

    Returns:
        The best quality and the number of passes.
    """
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    best, kept = quality(), _weights(model)
    descent = _Descent(model, loss, budget, on_progress)
    without_gain = done = 0
    while done < budget.epochs and without_gain < budget.patience and (not done or descent.spent() < 1):
        descent.one_pass(torch.randperm(steps, generator=generator).tolist(), done, best)
        done += 1
        model.eval()
        reached = quality()
        if reached > best:
            best, without_gain, kept = reached, 0, _weights(model)
        else:
            without_gain += 1
    model.load_state_dict(kept)
    model.eval()
    on_progress(1.0, f"best {best:.4f} after {done} passes")
    return best, done


def one_pass(model: SequenceModel, steps: int, loss: Loss, *, rate: float) -> None:
    """Take one step of Adam on each moment in order of time, so that the model has seen the newest ones too.

    Args:
        model: changed in place.
        steps: how many moments.
        loss: of a moment (0..steps - 1).
        rate: learning rate, the same all along.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for index in range(steps):
        _step(model, optimizer, loss, index)
    model.eval()


class _Descent:
    """Passes whose learning rate falls with the time, or the passes, that are used up."""

    def __init__(
        self, model: SequenceModel, loss: Loss, budget: Budget, on_progress: Callable[[float, str], None]
    ) -> None:
        self._model, self._loss, self._budget, self._on_progress = model, loss, budget, on_progress
        self._optimizer = torch.optim.Adam(model.parameters(), lr=budget.rate)
        self._started = time.monotonic()

    def spent(self) -> float:
        """Share of the time that is gone."""
        return (time.monotonic() - self._started) / self._budget.seconds

    def one_pass(self, order: list[int], done: int, best: float) -> None:
        for step, index in enumerate(order):
            self._model.train()
            spent = self.spent()
            if spent >= 1:
                return
            part = max(spent, (done + step / len(order)) / self._budget.epochs)
            for group in self._optimizer.param_groups:
                group["lr"] = self._budget.rate * (1 - 0.9 * min(part, 1.0))
            lost = _step(self._model, self._optimizer, self._loss, index)
            self._on_progress(min(part, 1.0), f"pass {done + 1}, loss {lost:.2f}, best {best:.4f}")


def _step(model: SequenceModel, optimizer: torch.optim.Optimizer, loss: Loss, index: int) -> float:
    """Go down the gradient of one moment's loss, and return the loss."""
    optimizer.zero_grad()
    lost = loss(index)
    lost.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    return lost.item()


def _weights(model: SequenceModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
