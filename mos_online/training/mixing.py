"""Learns how much neighbours and popularity count beside a model, on positions that the model has not learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.co_clicks import FACTS, evidence_of, neighbour_chances
from mos_online.model.mixing import SOURCES
from mos_online.model.neighbours import Neighbours
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.ranking import CatalogueRanking, in_chunks

FEWEST = 50
"""With fewer positions there is nothing to learn from, and nothing is mixed in."""

PULL = 1e-3
"""Of the weights towards 0, so that they stay finite where one source is always right."""

FIRST = -2.0
"""Where the constants begin: each source has a tenth."""


@dataclass(frozen=True, kw_only=True)
class _Targets:
    """Of N targets that were known.

    Attributes:
        logs: log p of the model and of each source, (N, 1 + SOURCES).
        speaks: whether a source gives a chance to any item, bool (N, 1 + SOURCES); the model always does.
        facts: (N, FACTS).
    """

    logs: Tensor
    speaks: Tensor
    facts: Tensor


def learn_mixing(model: SequenceModel, data: ExampleLog) -> None:
    """Set the weights of ``model.mixing`` to those that make the targets most likely.

    Args:
        model: everything else of it stays as it is.
        data: later examples than it has learned, with neighbours; without them nothing is learned.
    """
    model.eval()
    chunks = (chunk.to(model.device) for chunk in in_chunks(data))
    found = [_targets(model, chunk, chunk.neighbours) for chunk in chunks if chunk.neighbours is not None]
    if sum(len(one.facts) for one in found) < FEWEST:
        return
    logs = torch.cat([one.logs for one in found]).double().cpu()
    facts = torch.cat([one.facts for one in found]).double().cpu()
    silent = ~torch.cat([one.speaks for one in found]).cpu()
    weights = torch.zeros(SOURCES, FACTS, dtype=torch.float64)
    weights[:, 0] = FIRST
    weights.requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        odds = torch.cat([torch.zeros(len(facts), 1, dtype=torch.float64), facts @ weights.T], 1)
        mixed = (logs + odds.masked_fill(silent, -torch.inf).log_softmax(1)).logsumexp(1)
        lost = PULL * weights.square().sum() - mixed.mean()
        lost.backward()
        return lost

    optimizer.step(loss)
    model.mixing.set_weights(weights.detach().float())


@torch.inference_mode()
def _targets(model: SequenceModel, data: Examples, neighbours: Neighbours) -> _Targets:
    """What the model and each source say of the targets of some examples."""
    ranking = CatalogueRanking(model)
    scores, unknown = ranking.model_scores(data)
    evidence = evidence_of(data.batch, neighbours, data.moment)
    known = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
    target = ranking.slot[data.targets.clamp(min=1)]
    rows, columns, log_chance, _ = neighbour_chances(evidence, ranking.slot, scores.shape[1], unknown)
    near = torch.full_like(scores, -torch.inf).index_put((rows, columns), log_chance)
    sources, speaks = [known, near], [torch.ones_like(target, dtype=torch.bool), near.isfinite().any(1)]
    popular = ranking.popular(data)
    for logs in ([one.recent for one in popular], [one.slow for one in popular]):
        whole = torch.full((len(popular), scores.shape[1]), -torch.inf, device=scores.device)
        for number, (one, log) in enumerate(zip(popular, logs, strict=True)):
            whole[number, one.columns] = log
        sources.append(whole[data.moment])
        speaks.append(whole.isfinite().any(1)[data.moment])
    of_target = torch.stack([one.gather(1, target.unsqueeze(1)).squeeze(1) for one in sources], 1)
    fair = (data.targets > 0) & of_target[:, 0].isfinite()
    return _Targets(logs=of_target[fair], speaks=torch.stack(speaks, 1)[fair], facts=evidence.facts[fair])
