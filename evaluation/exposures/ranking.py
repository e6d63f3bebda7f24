"""Real exposures: rank what a user had in view by models fitted on clicks before the first list was shown.

Lists are answered in order of time. The history of a list ends before its click; what is popular comes from all clicks
before it, its own not. Nothing is learned from what was shown and left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from evaluation.candidates.counting import NEIGHBOURLY, CountingModel
from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.exposures.data import ExposureData
from evaluation.exposures.lists import Exposure
from evaluation.protocol.fitting import FitConfig, Fitted, fit_model
from evaluation.routing.routings import ROUTINGS
from mos_online.arrays import Floats
from mos_online.errors import ModelError
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS
from mos_online.model.realtime import realtime_of

LEAST_SHARE = 1e-5
"""The share of the clicks that counting gives to an item nobody has clicked. Real-time features have the same floor."""


def fit_candidate(
    data: ExposureData, name: str, *, backbone: str, sizes: Sizes, config: FitConfig, seed: int
) -> Fitted:
    """Fit on clicks before the first list, with the first of the learning rates, stopped by validation.

    Args:
        data: the log.
        name: of ``CANDIDATE_MODELS``, with a routing of ``ROUTINGS``.
        backbone: of the experts.
        sizes: of the model.
        config: the budget.
        seed: of weights, order and random routings.

    Raises:
        ModelError: no such model or backbone.
    """
    candidate = CANDIDATE_MODELS.get(name)
    if candidate is None or candidate.routing not in ROUTINGS:
        allowed = ", ".join(name for name, one in CANDIDATE_MODELS.items() if one.routing in ROUTINGS)
        raise ModelError(f"model {name!r} cannot rank lists; choose one of {allowed}")
    routing = ROUTINGS[candidate.routing](data, seed)
    fitted = fit_model(
        lambda: candidate.make(sizes.config(data.catalogue, backbone, routing, gap_ms=data.log.gap_ms)),
        data,
        routing,
        config=config,
        rate=config.rates[0],
        seed=seed,
    )
    fitted.model.eval()
    return fitted


@torch.inference_mode()
def score_lists(data: ExposureData, fitted: Sequence[Fitted], counting: Sequence[CountingModel]) -> list[list[Floats]]:
    """Walk through the log once and score every list at its moment.

    Args:
        data: the log.
        fitted: from ``fit_candidate``.
        counting: fresh ones.

    Returns:
        Of each model, fitted ones first, float64 (items in view,) for each list: the log of each item's chance among
        those in view.
    """
    rows = data.catalogue.rows
    wanted = {int(at): number for number, at in enumerate(data.position)}
    popularity = ItemPopularity(half_life_ms=data.half_life_ms, gap_ms=data.log.gap_ms, partition=-1)
    made = [[np.empty(0)] * len(data.shown) for _ in range(len(fitted) + len(counting))]
    for position, click in data.replay():
        if position in wanted:
            number = wanted[position]
            one = data.shown[number]
            now = realtime_of(popularity.snapshot(top=LISTED_ITEMS), rows)
            asked, at = torch.tensor([[rows[item] for item in one.items]]), np.array([position])
            for scores, model in zip(made, fitted, strict=False):
                sizes = model.model.config
                batch = model.sequences.batch(at, recent=sizes.recent, ring=sizes.theme_ring)
                features = now.features(asked, model.model.item_known)
                scores[number] = _chances(model.model.score_pairs(batch, asked, features)[0].double().numpy())
            for scores, counts in zip(made[len(fitted) :], counting, strict=True):
                scores[number] = _chances(_counted(counts, one))
        popularity.observe(click, data.log.types)
        for counts in counting:
            counts.observe(click)
    return made


def _counted(model: CountingModel, one: Exposure) -> Floats:
    """Log of each item's recent share, mixed with the neighbours' where there are any."""
    chances = np.array([max(model.popularity.share(item), LEAST_SHARE) for item in one.items])
    weights = model.weights(one.user)
    if total := sum(weights.values()):
        near = np.array([weights.get(item, 0.0) for item in one.items]) / total
        chances = NEIGHBOURLY * near + (1 - NEIGHBOURLY) * chances
    return np.asarray(np.log(chances), np.float64)


def _chances(scores: Floats) -> Floats:
    return np.asarray(scores - np.logaddexp.reduce(scores), np.float64)
