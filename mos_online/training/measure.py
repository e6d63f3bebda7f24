"""How good a model is on positions that it has not learned, beside those who only count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mos_online.baselines import KnnChoice, LastItemKnn, RecentPopularity
from mos_online.contracts import Click
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.metrics import Judged, PrequentialJudge, hit_rate, ndcg
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import Examples

SLICE = "validation"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Full-ranking quality at 10: means over all positions; a target without a row counts as missed."""

    hit_rate: float
    ndcg: float
    positions: int


@torch.inference_mode()
def measure(model: SequenceModel, data: Sequence[Examples]) -> Quality:
    """Rank the whole catalogue for every position."""
    model.eval()
    everything = torch.arange(1, model.config.items + 1, device=model.device)
    slot = torch.arange(-1, model.config.items, device=model.device)
    hits, gains, count = 0.0, 0.0, 0
    for moment in data:
        one = moment.to(model.device)
        users = model.encode(one.batch)
        scores = model.score(users, everything, one.features[1:])
        scores = model.add_repeats(scores, one.batch, slot)
        top = (scores.topk(min(10, scores.shape[1])).indices + 1).tolist()
        for ranking, target in zip(top, one.targets.tolist(), strict=True):
            hits += hit_rate(ranking, target)
            gains += ndcg(ranking, target)
            count += 1
    return Quality(hit_rate=hits / max(count, 1), ndcg=gains / max(count, 1), positions=count)


def measure_baselines(
    clicks: Sequence[Click], first: int, *, half_life_ms: float, gap_ms: int, best: KnnChoice
) -> Judged:
    """Popularity and last-item kNN on the clicks from ``first`` on, each of which they learn at once.

    Args:
        clicks: the log in order of time.
        first: number of the first click that is predicted; ``WARM_UP_CLICKS`` before it are learned.
        half_life_ms: of item popularity.
        gap_ms: silence that ends a session.
        best: settings of kNN, chosen on clicks before ``first``.
    """
    popularity = RecentPopularity(half_life_ms=half_life_ms)
    knn = LastItemKnn(gap_ms=gap_ms, half_life_ms=best.half_life_ms, fill=popularity, resumes=best.resumes)
    judge = PrequentialJudge()
    warm = max(0, first - WARM_UP_CLICKS)
    for number, click in enumerate(clicks[warm:], warm):
        if number >= first:
            answers = {"popularity": popularity.top(10), "knn": knn.top(click.user_id, 10)}
            judge.ask(str(number), click.user_id, SLICE, answers)
            judge.settle(str(number), click.item_id)
        popularity.observe(click)
        knn.observe(click)
    return judge.result(SLICE)
