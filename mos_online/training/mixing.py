"""Learns how much neighbours and popularity count beside a model, on positions that the model has not learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mos_online.model.co_clicks import evidence_of
from mos_online.model.mixing import BY_ALL, BY_PLACE, NOT, Mixing, had_before
from mos_online.model.mixture_weights import Clicked, MixtureWeights, divided, most_likely
from mos_online.model.neighbours import Neighbours
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.sources import sources_of
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.ranking import CatalogueRanking, in_chunks

FEWEST = 50
"""With fewer positions there is nothing to learn from, and nothing is mixed in."""

FEWEST_ANEW = 200
"""With fewer positions weights that were learned before stay: so few tell more of chance than of a change."""

LEAST_GAIN = 1e-4
"""A model is corrected if that gains so many nats of a target's likelihood."""


def learn_mixing(model: SequenceModel, data: ExampleLog) -> None:
    """Set the weights of ``model.mixing`` to those that make the targets most likely.

    Weights that were learned before are where the new ones begin, and what they are pulled to. The scores of the model
    are corrected before in the way that makes the targets most likely, if one does, see ``Expectations``.

    Args:
        model: everything else of it stays as it is.
        data: later examples than it has learned, in order of time, with neighbours; without them nothing is learned.
    """
    mixing, found = model.mixing, said_of(model, data, model.mixing, (NOT, BY_ALL, BY_PLACE))
    if not found or len(found[NOT].facts) < (FEWEST_ANEW if mixing.learned else FEWEST):
        return
    before = MixtureWeights.of(mixing) if mixing.learned else None
    tried = [most_likely(clicked, before) for clicked in found]
    best = NOT
    for how in (BY_ALL, BY_PLACE):
        if tried[how].loss < tried[best].loss - LEAST_GAIN:
            best = how
    mixing.set_weights(tried[best].weights.float(), tried[best].again.item(), corrected=best)


def said_of(model: SequenceModel, data: ExampleLog, mixing: Mixing, corrections: Sequence[int]) -> list[Clicked]:
    """What the model and each source say of the targets of a log, by how the model is corrected before.

    Args:
        model: as it is.
        data: in order of time; if it has no neighbours, nothing is said.
        mixing: tells the places of the users.
        corrections: ``NOT``, ``BY_ALL``, ``BY_PLACE``.

    Returns:
        One of each correction, or none.
    """
    model.eval()
    rankings = [(how, CatalogueRanking(model, mixing=mixing)) for how in corrections]
    chunks = (chunk.to(model.device) for chunk in in_chunks(data))
    found = [_clicked(rankings, one, one.neighbours) for one in chunks if one.neighbours is not None]
    return [Clicked.joined(parts) for parts in zip(*found, strict=True)]


@torch.inference_mode()
def _clicked(rankings: Sequence[tuple[int, CatalogueRanking]], data: Examples, neighbours: Neighbours) -> list[Clicked]:
    """The same of some examples, each correction by a ranking that has learned what is expected for it."""
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
    for how, corrected in rankings:
        own = logs[:, :1]
        if how:
            mine = scores.clone()
            corrected.correct(data, popular, mine, unknown, how)
            own = mine.masked_fill(unknown, -torch.inf).log_softmax(1).gather(1, target)
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
