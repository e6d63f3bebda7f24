"""Learns how much neighbours count beside a model, on positions that the model has not learned."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.co_clicks import FACTS, evidence_of, neighbour_chances
from mos_online.model.neighbours import Neighbours
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.ranking import CatalogueRanking, in_chunks

FEWEST = 50
"""With fewer positions there is nothing to learn from, and neighbours count for nothing."""

PULL = 1e-3
"""Of the weights towards 0, so that they stay finite where one of the two is always right."""

FIRST = -2.0
"""Where the constant begins: lambda is 0.12."""


def learn_mixing(model: SequenceModel, data: ExampleLog) -> None:
    """Set the weights of ``model.co_clicks`` to those that make the targets most likely.

    Args:
        model: everything else of it stays as it is.
        data: later examples than it has learned, with neighbours; without them nothing is learned.
    """
    model.eval()
    chunks = (chunk.to(model.device) for chunk in in_chunks(data))
    found = [_targets(model, chunk, chunk.neighbours) for chunk in chunks if chunk.neighbours is not None]
    if sum(len(facts) for _, _, facts in found) < FEWEST:
        return
    model_log, neighbour_log, facts = (torch.cat(parts).double().cpu() for parts in zip(*found, strict=True))
    weights = torch.zeros(FACTS, dtype=torch.float64)
    weights[0] = FIRST
    weights.requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        lost = PULL * weights.square().sum() - _log_mixed(model_log, neighbour_log, facts @ weights).mean()
        lost.backward()
        return lost

    optimizer.step(loss)
    model.co_clicks.set_weights(weights.detach().float())


def _log_mixed(model: Tensor, neighbours: Tensor, log_odds: Tensor) -> Tensor:
    """log((1 - lambda) p_model + lambda p_neighbours) of N targets, (N,); all arguments are logarithms, (N,)."""
    return torch.logaddexp(model + F.logsigmoid(-log_odds), neighbours + F.logsigmoid(log_odds))


@torch.inference_mode()
def _targets(model: SequenceModel, data: Examples, neighbours: Neighbours) -> tuple[Tensor, Tensor, Tensor]:
    """Log p of the model and of the neighbours, (N,), and facts (N, FACTS).

    Of those targets that were known, for whose users any neighbour is a candidate.
    """
    ranking = CatalogueRanking(model)
    scores, unknown = ranking.model_scores(data)
    evidence = evidence_of(data.batch, neighbours, data.moment)
    known = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
    rows, columns, log_chance, _ = neighbour_chances(evidence, ranking.slot, scores.shape[1], unknown)
    whole = torch.full_like(scores, -torch.inf).index_put((rows, columns), log_chance)
    target = ranking.slot[data.targets.clamp(min=1)].unsqueeze(1)
    has = torch.zeros(len(scores), dtype=torch.bool, device=scores.device).index_fill(0, rows, True)
    fair = has & (data.targets > 0) & known.gather(1, target).squeeze(1).isfinite()
    return known.gather(1, target).squeeze(1)[fair], whole.gather(1, target).squeeze(1)[fair], evidence.facts[fair]
