"""Learns how much counts beside a model: the weights of ``Mixing`` under which what was clicked is most likely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from mos_online.model.mixing import SOURCES, Mixing, left_over

PULL = 1e-3
"""Of the weights towards those that were learned before, or towards 0: they stay finite where one source is always
right."""

FEW = 200
"""First weights of fewer clicks are pulled by more, as if so many told as much of what is not known before."""

FIRST = -2.0
"""Where the constants begin: each source has a tenth."""

NEVER = -1e4
"""Log of the chance of what a source gives none; -inf has no gradient."""


@dataclass(frozen=True, kw_only=True)
class Clicked:
    """What the model and each source said of n clicks before they came, the model first.

    A click may stand for a set of items, some of which the user had.

    Attributes:
        plain: float32 (n, 1 + SOURCES), log of the chances of those that the user did not have; NEVER: there are none.
        had: float32 (n, 1 + SOURCES), the same of those that the user had.
        speaks: bool (n, 1 + SOURCES), whether a source says anything.
        shares: float32 (n, SOURCES), the share of a source's chances on items that the user had.
        facts: float32 (n, FACTS), see ``Evidence``.
    """

    plain: Tensor
    had: Tensor
    speaks: Tensor
    shares: Tensor
    facts: Tensor

    def __getitem__(self, chosen: slice) -> Clicked:
        """Some of the clicks."""
        return Clicked(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Clicked]) -> Clicked:
        """All clicks of some parts, on the CPU."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]).cpu() for name in names})


def divided(logs: Tensor, had: Tensor) -> tuple[Tensor, Tensor]:
    """Divide log p of items into those that the user did not have, and those that the user had.

    Args:
        logs: float32, -inf where there is no chance; had: bool, of a shape that goes with it.

    Returns:
        Both like ``logs``, NEVER where an item is on the other side or has no chance.
    """
    known = logs.clamp(min=NEVER)
    return torch.where(had, NEVER, known), torch.where(had, known, NEVER)


class MixtureWeights(NamedTuple):
    """The weights of ``Mixing``.

    Attributes:
        weights: float64 (SOURCES, FACTS).
        again: float64 (1,).
        loss: the mean negative log-likelihood with them, and the pull.
    """

    weights: Tensor
    again: Tensor
    loss: float = 0.0

    @classmethod
    def of(cls, mixing: Mixing) -> MixtureWeights:
        """Those that a model has."""
        return cls(mixing.weights.double().cpu(), mixing.again.double().cpu())


def loss_of(clicked: Clicked, weights: Tensor, again: Tensor) -> Tensor:
    """The mean negative log-likelihood of the clicks under some weights, float64, a scalar."""
    return losses_of(clicked, weights, again).mean()


def losses_of(clicked: Clicked, weights: Tensor, again: Tensor) -> Tensor:
    """The negative log-likelihood of each click, float64 (n,)."""
    plain, had, shares, facts = (one.double() for one in (clicked.plain, clicked.had, clicked.shares, clicked.facts))
    odds = torch.cat([facts.new_zeros(len(facts), 1), facts @ weights.T], 1)
    odds = odds.masked_fill(~clicked.speaks, -torch.inf).log_softmax(1)
    model = torch.logaddexp(plain[:, :1], had[:, :1])
    others = torch.logaddexp(plain[:, 1:], had[:, 1:] + again) - left_over(again, shares)
    return -(odds + torch.cat([model, others], 1)).logsumexp(1)


def surely(gains: Tensor, errors: float = 1.0) -> float:
    """The mean of some gains (n,), less so many standard errors; -inf if there are fewer than two."""
    if len(gains) < 2:
        return -math.inf
    return float(gains.mean()) - errors * float(gains.std()) / math.sqrt(len(gains))


@torch.inference_mode(mode=False)
@torch.enable_grad()
def most_likely(
    clicked: Clicked, towards: MixtureWeights | None = None, begin: MixtureWeights | None = None, *, steps: int = 100
) -> MixtureWeights:
    """Find the weights under which the clicks are most likely.

    Args:
        clicked: what was said before.
        towards: what they are pulled to; None: 0, or a tenth for each source, where there are few clicks, which are
            pulled by more.
        begin: where the search begins, if not there.
        steps: of the search, at most.
    """
    pull = PULL
    if towards is None:
        nothing = torch.zeros(SOURCES, clicked.facts.shape[1], dtype=torch.float64)
        towards = MixtureWeights(nothing, torch.zeros(1, dtype=torch.float64))
        begin = MixtureWeights(nothing.clone(), towards.again)
        begin.weights[:, 0] = FIRST
        if len(clicked.facts) < FEW:
            towards, pull = begin, FEW / len(clicked.facts) * PULL
    weights, again = (start.clone().requires_grad_() for start in (begin or towards)[:2])
    optimizer = torch.optim.LBFGS([weights, again], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        moved = (weights - towards.weights).square().sum() + (again - towards.again).square().sum()
        lost = pull * moved + loss_of(clicked, weights, again)
        lost.backward()
        return lost

    optimizer.step(loss)
    return MixtureWeights(weights.detach(), again.detach(), loss().item())
