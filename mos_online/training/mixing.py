"""Learns how much neighbours and popularity count beside a model, on positions that the model has not learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

from mos_online.model.co_clicks import FACTS, evidence_of, neighbour_chances
from mos_online.model.mixing import SOURCES, had_before, had_share, left_over
from mos_online.model.neighbours import Neighbours
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.ranking import CatalogueRanking, in_chunks

FEWEST = 50
"""With fewer positions there is nothing to learn from, and nothing is mixed in."""

FEWEST_ANEW = 200
"""With fewer positions weights that were learned before stay: so few tell more of chance than of a change."""

PULL = 1e-3
"""Of the weights towards those that were learned before, or towards 0: they stay finite where one source is always
right."""

LEAST_GAIN = 1e-4
"""A model is corrected if that gains so many nats of a target's likelihood."""

FIRST = -2.0
"""Where the constants begin: each source has a tenth."""


@dataclass(frozen=True, kw_only=True)
class _Targets:
    """Of N targets that were known.

    Attributes:
        logs: log p of the model and of each source, (N, 1 + SOURCES).
        speaks: whether a source gives a chance to any item, bool (N, 1 + SOURCES); the model always does.
        shares: of the chances of each source on items that the user had, (N, SOURCES).
        again: whether the user had the target, (N, 1).
        facts: (N, FACTS).
    """

    logs: Tensor
    speaks: Tensor
    shares: Tensor
    again: Tensor
    facts: Tensor


def learn_mixing(model: SequenceModel, data: ExampleLog) -> None:
    """Set the weights of ``model.mixing`` to those that make the targets most likely.

    Weights that were learned before are where the new ones begin, and what they are pulled to. The scores of the model
    are corrected before if that makes the targets more likely, see ``Expectation``.

    Args:
        model: everything else of it stays as it is.
        data: later examples than it has learned, in order of time, with neighbours; without them nothing is learned.
    """
    model.eval()
    ranking, mixing = CatalogueRanking(model), model.mixing
    chunks = (chunk.to(model.device) for chunk in in_chunks(data))
    found = [_targets(ranking, chunk, chunk.neighbours) for chunk in chunks if chunk.neighbours is not None]
    if sum(len(one.facts) for one, _ in found) < (FEWEST_ANEW if mixing.learned else FEWEST):
        return
    before = (mixing.weights.double().cpu(), mixing.again.double().cpu()) if mixing.learned else None
    plain, corrected = (_most_likely(_joined(parts), before) for parts in zip(*found, strict=True))
    better = corrected if corrected.loss < plain.loss - LEAST_GAIN else plain
    mixing.set_weights(better.weights.float(), better.again.item(), corrected=better is corrected)


def _joined(parts: Sequence[_Targets]) -> _Targets:
    names = [one.name for one in fields(_Targets)]
    return _Targets(**{name: torch.cat([getattr(part, name) for part in parts]).cpu() for name in names})


class _Learned(NamedTuple):
    """The weights, float64 (SOURCES, FACTS), and ``again``, float64 (1,), of ``Mixing``, and the loss with them."""

    weights: Tensor
    again: Tensor
    loss: float


def _most_likely(targets: _Targets, before: tuple[Tensor, Tensor] | None) -> _Learned:
    """What makes the targets most likely; ``before``: weights and ``again`` that were learned earlier."""
    logs, shares, facts = targets.logs.double(), targets.shares.double(), targets.facts.double()
    towards = before or (torch.zeros(SOURCES, FACTS, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    weights, again = (start.clone() for start in towards)
    if before is None:
        weights[:, 0] = FIRST
    weights.requires_grad_()
    again.requires_grad_()
    optimizer = torch.optim.LBFGS([weights, again], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        odds = torch.cat([torch.zeros(len(facts), 1, dtype=torch.float64), facts @ weights.T], 1)
        odds = odds.masked_fill(~targets.speaks, -torch.inf).log_softmax(1)
        chances = torch.cat([logs[:, :1], logs[:, 1:] + again * targets.again - left_over(again, shares)], 1)
        moved = (weights - towards[0]).square().sum() + (again - towards[1]).square().sum()
        lost = PULL * moved - (odds + chances).logsumexp(1).mean()
        lost.backward()
        return lost

    optimizer.step(loss)
    return _Learned(weights.detach(), again.detach(), loss().item())


@torch.inference_mode()
def _targets(ranking: CatalogueRanking, data: Examples, neighbours: Neighbours) -> tuple[_Targets, _Targets]:
    """What the model and each source say of the targets of some examples; the model as it is, and corrected."""
    scores, unknown = ranking.model_scores(data)
    evidence = evidence_of(data.batch, neighbours, data.moment)
    known = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
    ranking.correct(data, scores, unknown)
    corrected = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
    target = ranking.slot[data.targets.clamp(min=1)]
    rows, columns, log_chance, entries = neighbour_chances(evidence, ranking.slot, scores.shape[1], unknown)
    had = had_before(data.batch, ranking.slot, scores.shape[1])
    shares = [had_share(evidence, rows, entries, had[rows, columns])]
    near = torch.full_like(scores, -torch.inf).index_put((rows, columns), log_chance)
    sources, speaks = [known, near], [torch.ones_like(target, dtype=torch.bool), near.isfinite().any(1)]
    popular = ranking.popular(data)
    for rate in range(SOURCES - 1):
        whole = torch.full((len(popular), scores.shape[1]), -torch.inf, device=scores.device)
        for number, one in enumerate(popular):
            whole[number, one.columns] = one.logs[rate]
        sources.append(whole[data.moment])
        speaks.append(whole.isfinite().any(1)[data.moment])
        shares.append((sources[-1].exp() * had).sum(1))
    of_target = torch.cat([one.gather(1, target.unsqueeze(1)) for one in sources], 1)
    fair = (data.targets > 0) & of_target[:, 0].isfinite()
    plain = _Targets(
        logs=of_target[fair],
        speaks=torch.stack(speaks, 1)[fair],
        shares=torch.stack(shares, 1)[fair],
        again=had.gather(1, target.unsqueeze(1))[fair],
        facts=evidence.facts[fair],
    )
    own = corrected.gather(1, target.unsqueeze(1))[fair]
    return plain, replace(plain, logs=torch.cat([own, plain.logs[:, 1:]], 1))
