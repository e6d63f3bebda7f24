"""Learns how much neighbours and popularity count beside a model, on positions that the model has not learned."""

from __future__ import annotations

import torch

from mos_online.model.co_clicks import evidence_of
from mos_online.model.mixing import had_before
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
    are corrected before if that makes the targets more likely, see ``Expectation``.

    Args:
        model: everything else of it stays as it is.
        data: later examples than it has learned, in order of time, with neighbours; without them nothing is learned.
    """
    mixing, found = model.mixing, said_of(model, data)
    if found is None or len(found[0].facts) < (FEWEST_ANEW if mixing.learned else FEWEST):
        return
    before = MixtureWeights.of(mixing) if mixing.learned else None
    plain, corrected = (most_likely(clicked, before) for clicked in found)
    better = corrected if corrected.loss < plain.loss - LEAST_GAIN else plain
    mixing.set_weights(better.weights.float(), better.again.item(), corrected=better is corrected)


def said_of(model: SequenceModel, data: ExampleLog) -> tuple[Clicked, Clicked] | None:
    """What the model and each source say of the targets of a log; the model as it is, and corrected.

    None: it has no neighbours.
    """
    model.eval()
    ranking = CatalogueRanking(model)
    chunks = (chunk.to(model.device) for chunk in in_chunks(data))
    found = [_clicked(ranking, chunk, chunk.neighbours) for chunk in chunks if chunk.neighbours is not None]
    if not found:
        return None
    plain, corrected = (Clicked.joined(parts) for parts in zip(*found, strict=True))
    return plain, corrected


@torch.inference_mode()
def _clicked(ranking: CatalogueRanking, data: Examples, neighbours: Neighbours) -> tuple[Clicked, Clicked]:
    """What the model and each source say of the targets of some examples; the model as it is, and corrected."""
    scores, unknown = ranking.model_scores(data)
    evidence = evidence_of(data.batch, neighbours, data.moment)
    had = had_before(data.batch, ranking.slot, scores.shape[1])
    target = ranking.slot[data.targets.clamp(min=1)].unsqueeze(1)
    popular = ranking.popular(data)
    said = sources_of(scores, had, evidence, popular, data.moment, ranking.slot, target, unknown)
    ranking.correct(data, popular, scores, unknown)
    corrected = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
    logs = said.logs.squeeze(2)
    fair = (data.targets > 0) & logs[:, 0].isfinite()
    again = had.gather(1, target)
    own = torch.cat([corrected.gather(1, target), logs[:, 1:]], 1)
    both = []
    for chances in (logs, own):
        plain, of_had = divided(chances, again)
        both.append(
            Clicked(
                plain=plain[fair],
                had=of_had[fair],
                speaks=said.speaks[fair],
                shares=said.shares[fair],
                facts=evidence.facts[fair],
            )
        )
    return both[0], both[1]
