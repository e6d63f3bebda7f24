"""Gradient descent with early stopping, for any sequence model and any loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.sequence_model import SequenceModel
from mos_online.training.team import ALONE, Team

LONGEST_GRADIENT = 5.0
"""Gradients are scaled down to this norm."""

Loss = Callable[[Sequence[int]], Tensor]
"""Loss of a step, by the numbers of its moments. In a team it is a member's part, and the parts add up to the loss."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much fitting may cost.

    Attributes:
        seconds: of wall-clock time; a pass that is under way then is cut short.
        epochs, patience: at most so many passes, and so many without a better one.
        rate: learning rate; falls to a tenth over the schedule, which is over with the passes or with the time.
        moments: of one step.
        decay: share of their length that the items' own rows lose in a pass at the full rate (decoupled weight decay,
            Loshchilov & Hutter 2019). Per pass and not per step: a prior weighs the less, the more examples there are.
    """

    seconds: float
    epochs: int
    patience: int
    rate: float
    moments: int
    decay: float = 0.2

    def passes(self, share: float) -> int:
        """Passes that a share of the schedule has at most, the last of which may be cut short."""
        return math.ceil(round(share * self.epochs, 6))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How good a model is on examples that it has not learned; higher is better.

    Attributes:
        ndcg: NDCG@10 among the whole catalogue; None for a model that cannot rank it.
        auc: chance that the target beats an item drawn by popularity.
    """

    ndcg: float | None
    auc: float

    @property
    def both(self) -> float:
        """What decides which weights are kept: the product, in which a gain of a tenth in one counts as in the other.

        A sum would give up half of a small NDCG for a little AUC.
        """
        return self.auc if self.ndcg is None else self.ndcg * self.auc

    def better_than(self, other: Reached) -> bool:
        """Whether one of the two is higher."""
        return self.auc > other.auc or (self.ndcg or 0.0) > (other.ndcg or 0.0)

    def highest(self, other: Reached) -> Reached:
        """The higher of each."""
        ndcg = None if self.ndcg is None else max(self.ndcg, other.ndcg or 0.0)
        return Reached(ndcg=ndcg, auc=max(self.auc, other.auc))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a fit came to.

    Attributes:
        reached: the best quality, whose weights are kept.
        passes: over the moments.
        share: of the schedule that was gone when the kept weights were reached; None: they are those it began with.
    """

    reached: Reached
    passes: int
    share: float | None


def fit(
    model: SequenceModel,
    moments: int,
    loss: Loss,
    quality: Callable[[], Reached],
    *,
    budget: Budget,
    seed: int,
    begin: float = 0.0,
    end: float = 1.0,
    on_progress: Callable[[float, str], None] = lambda part, words: None,
    team: Team = ALONE,
) -> Outcome:
    """Adam with early stopping; leaves the best weights in the model.

    It goes on while NDCG or AUC still grows, and keeps the weights with the best product of both.

    Args:
        model: changed in place.
        moments: of a pass; each step takes some of them, in random order.
        loss: of some moments (0..moments - 1).
        quality: of the model as it is, on moments later than any of those; in a team the same for all members.
        budget: time, passes and learning rate.
        seed: of the order.
        begin, end: the shares of the schedule between which the model is fitted.
        on_progress: gets the share of the schedule that is done (0..1) and a line of words.
        team: who takes part. All begin with equal models and end with equal ones; the clock of the first one counts.
    """
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    best, kept, best_share = quality(), _weights(model), None
    highest = best
    descent = _Descent(model, loss, budget, moments, (begin, end), on_progress, team)
    first, last = budget.passes(begin), budget.passes(end)
    done, without_gain = first, 0
    while done < last and without_gain < budget.patience and (done == first or descent.spent() < end):
        descent.one_pass(torch.randperm(moments, generator=generator).tolist(), done, f"best {_words(best)}")
        done += 1
        share = min(max(descent.spent(), done / budget.epochs), end)
        model.eval()
        reached = quality()
        without_gain = 0 if reached.better_than(highest) else without_gain + 1
        highest = reached.highest(highest)
        if reached.both > best.both:
            best, kept, best_share = reached, _weights(model), share
    model.load_state_dict(kept)
    model.eval()
    on_progress(end, f"best {_words(best)} after {done} passes")
    return Outcome(reached=best, passes=done - first, share=best_share)


def go_on(
    model: SequenceModel,
    moments: int,
    loss: Loss,
    *,
    budget: Budget,
    share: float,
    seed: int,
    on_progress: Callable[[float, str], None] = lambda part, words: None,
    team: Team = ALONE,
) -> int:
    """Learn more moments than a model was fitted on, those by which it was stopped among them, and look at none.

    It goes on with the second half of the schedule, for half as long as was best, but each moment is learned at least
    once: the first pass may take longer than the schedule has time for. What needed many passes needs many here, too,
    and what was soon learned by heart is not learned for much longer.

    Args:
        model: changed in place; the last weights are left in it.
        moments: of a pass.
        loss: of some moments (0..moments - 1).
        budget: as in the fit.
        share: of the schedule after which the fit was best; ``Outcome.share``.
        seed: of the order.
        on_progress: gets the share of this that is done (0..1) and a line of words.
        team: see ``fit``.

    Returns:
        The number of passes, the last of which may have been cut short.
    """
    generator = torch.Generator().manual_seed(seed)
    begin, end = 1 / 2, (1 + share) / 2
    first = min(budget.passes(begin), budget.epochs - 1)

    def say(part: float, words: str) -> None:
        on_progress((part - begin) / max(end - begin, 1e-9), words)

    descent = _Descent(model, loss, budget, moments, (begin, end), say, team)
    done, last = first, max(budget.passes(end), first + 1)
    while done < last and (done == first or descent.spent() < end):
        order = torch.randperm(moments, generator=generator).tolist()
        descent.one_pass(order, done, "all examples", whole=done == first)
        done += 1
    model.eval()
    on_progress(1.0, f"{done - first} passes over all examples")
    return done - first


def refresh(
    model: SequenceModel, moments: int, loss: Loss, *, rate: float, together: int, seconds: float = math.inf
) -> int:
    """Learn from moments once, in order of time, so that the model has seen the newest ones too; nothing decays.

    Args:
        model: changed in place.
        moments: how many.
        loss: of some moments (0..moments - 1).
        rate: learning rate, the same all along.
        together: moments of one step.
        seconds: of wall-clock time; no step begins later.

    Returns:
        How many moments it has learned from.
    """
    optimizer = _adam(model, rate, 0.0)
    model.train()
    done, last = 0, time.monotonic() + seconds
    while done < moments and time.monotonic() < last:
        end = min(done + together, moments)
        _step(model, optimizer, loss, range(done, end))
        done = end
    model.eval()
    return done


class _Descent:
    """Passes whose learning rate falls with the time, or the passes, that are used up."""

    def __init__(
        self,
        model: SequenceModel,
        loss: Loss,
        budget: Budget,
        moments: int,
        span: tuple[float, float],
        on_progress: Callable[[float, str], None],
        team: Team,
    ) -> None:
        self._model, self._loss, self._budget, self._on_progress = model, loss, budget, on_progress
        self._team = team
        self._begin, self._end = span
        steps = max(-(-moments // budget.moments), 1)
        self._optimizer = _adam(model, budget.rate, budget.decay / (budget.rate * steps))
        self._started = time.monotonic()

    def spent(self) -> float:
        """Share of the time of the schedule that is gone, by the clock of the team's first member."""
        (seconds,) = self._team.first(lambda: [time.monotonic() - self._started], 1)
        return self._begin + seconds / self._budget.seconds

    def one_pass(self, order: Sequence[int], done: int, words: str, *, whole: bool = False) -> None:
        """Go through the moments in an order; unless it is to be whole, until the time is up."""
        size = self._budget.moments
        for begin in range(0, len(order), size):
            self._model.train()
            spent = self.spent()
            if spent >= self._end and not whole:
                return
            part = max(spent, (done + begin / len(order)) / self._budget.epochs)
            for group in self._optimizer.param_groups:
                group["lr"] = self._budget.rate * (1 - 0.9 * min(part, 1.0))
            lost = _step(self._model, self._optimizer, self._loss, order[begin : begin + size], self._team)
            self._on_progress(min(part, self._end), f"pass {done + 1}, loss {lost:.2f}, {words}")


def _adam(model: SequenceModel, rate: float, decay: float) -> torch.optim.AdamW:
    """Adam; ``decay``: of the items' own rows, a multiple of the rate."""
    rows = model.item.weight
    others = [weight for weight in model.parameters() if weight is not rows]
    groups = [{"params": [rows], "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def _step(
    model: SequenceModel,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    numbers: Sequence[int],
    team: Team = ALONE,
) -> float:
    """Go down the gradient of the loss of some moments, and return the loss."""
    optimizer.zero_grad()
    lost = loss(numbers)
    lost.backward()
    lost = team.add_up(model.parameters(), lost)
    torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    return lost.item()


def _weights(model: SequenceModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _words(reached: Reached) -> str:
    auc = f"AUC {reached.auc:.4f}"
    return auc if reached.ndcg is None else f"NDCG {reached.ndcg:.4f}, {auc}"
