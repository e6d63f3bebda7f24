"""Learns how much neighbours and popularity count beside a model, on positions that the model has not learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from mos_online.model.co_clicks import evidence_of
from mos_online.model.mixing import BY_ALL, BY_PLACE, Calibration, Mixing, had_before
from mos_online.model.mixture_weights import Clicked, MixtureWeights, divided, losses_of, most_likely, surely
from mos_online.model.neighbours import Neighbours
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.sources import sources_of
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.ranking import CatalogueRanking, in_chunks

FEWEST_SHARPENED = 50
"""With fewer positions the sharpness of a model stays: so few tell little of standard errors."""

FEWEST_ANEW = 200
"""With fewer positions weights that were learned before stay: so few tell more of chance than of a change."""

SHARPNESSES = tuple(2 ** (step / 4) for step in range(-6, 3))
"""What the scores of a model may be multiplied by: a third to 1.4."""

LEAST_GAIN = 1e-4
"""A model is corrected if that gains so many nats of a target's likelihood."""


def learn_mixing(model: SequenceModel, data: ExampleLog) -> None:
    """Set the weights of ``model.mixing`` to those that make the targets most likely.

    Weights that were learned before are where the new ones begin, and what they are pulled to. The scores of the model
    are calibrated before. First their sharpness is chosen: that under which the targets are more likely than under the
    present one by the widest margin over two standard errors, if there is one, and if there are positions enough. Then
    it is chosen whether and how they are corrected, see ``Expectations``: as the targets are most likely. A model that
    has learned from few clicks needs what is mixed in most, so the first weights are learned from however few examples
    there are.

    Args:
        model: everything else of it stays as it is.
        data: later examples than it has learned, in order of time, with neighbours; without them nothing is learned.
    """
    mixing, present = model.mixing, Calibration(model.mixing.calibration.sharpness)
    if mixing.learned and data.count < FEWEST_ANEW:
        return
    others = [Calibration(one) for one in SHARPNESSES if not math.isclose(one, present.sharpness, rel_tol=1e-6)]
    ways = [present, *(others if data.count >= FEWEST_SHARPENED else ())]
    found = said_of(model, data, mixing, ways)
    if not found or len(found[0].facts) < (FEWEST_ANEW if mixing.learned else 1):
        return
    before = MixtureWeights.of(mixing) if mixing.learned else None
    calibration, best = _sharpened(ways, found, before)
    ways = [calibration._replace(corrected=how) for how in (BY_ALL, BY_PLACE)]
    for way, clicked in zip(ways, said_of(model, data, mixing, ways), strict=True):
        weights = most_likely(clicked, before)
        if weights.loss < best.loss - LEAST_GAIN:
            calibration, best = way, weights
    mixing.set_weights(best.weights.float(), best.again.item(), calibration)


def _sharpened(
    ways: Sequence[Calibration], found: Sequence[Clicked], before: MixtureWeights | None
) -> tuple[Calibration, MixtureWeights]:
    """The way that is surely better than the first one, or the first one, and its weights."""
    learned = [most_likely(clicked, before) for clicked in found]
    losses = [losses_of(clicked, one.weights, one.again) for clicked, one in zip(found, learned, strict=True)]
    gains = [0.0, *(surely(losses[0] - one, errors=2) for one in losses[1:])]
    best = max(range(len(ways)), key=gains.__getitem__)
    return ways[best], learned[best]


def said_of(model: SequenceModel, data: ExampleLog, mixing: Mixing, ways: Sequence[Calibration]) -> list[Clicked]:
    """What the model and each source say of the targets of a log, by how the model is calibrated before.

    Args:
        model: as it is.
        data: in order of time; if it has no neighbours, nothing is said.
        mixing: tells the places of the users.
        ways: to calibrate it.

    Returns:
        One of each way, or none.
    """
    model.eval()
    rankings = [(how, CatalogueRanking(model, mixing=mixing)) for how in ways]
    chunks = (chunk.to(model.device) for chunk in in_chunks(data))
    found = [_clicked(rankings, one, one.neighbours) for one in chunks if one.neighbours is not None]
    return [Clicked.joined(parts) for parts in zip(*found, strict=True)]


@torch.inference_mode()
def _clicked(
    rankings: Sequence[tuple[Calibration, CatalogueRanking]], data: Examples, neighbours: Neighbours
) -> list[Clicked]:
    """The same of some examples, each way by a ranking that has learned what is expected then."""
    ranking = rankings[0][1]
    scores, unknown = ranking.model_scores(data)
    evidence = evidence_of(data.batch, ranking.places(data), neighbours, data.moment)
    had = had_before(data.batch, ranking.slot, scores.shape[1])
    target = ranking.slot[data.targets.clamp(min=1)].unsqueeze(1)
    popular = ranking.popular(data)
    said = sources_of(scores, had, evidence, popular, data.moment, ranking.slot, target, unknown)
    logs = said.logs.squeeze(2)
    fair = (data.targets > 0) & logs[:, 0].isfinite()
    again = had.gather(1, target)
    found = []
    for how, calibrated in rankings:
        mine = scores.clone()
        calibrated.calibrate(how, data, popular, mine, unknown)
        mine.masked_fill_(unknown, -torch.inf)
        own = mine.gather(1, target) - mine.logsumexp(1, keepdim=True)
        plain, of_had = divided(torch.cat([own, logs[:, 1:]], 1), again)
        found.append(
            Clicked(
                plain=plain[fair],
                had=of_had[fair],
                speaks=said.speaks[fair],
                shares=said.shares[fair],
                facts=evidence.facts[fair],
            )
        )
    return found
