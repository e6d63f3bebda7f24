"""How good a model is on positions that it has not learned, beside those who only count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.baselines import KnnChoice, LastItemKnn, RecentPopularity
from mos_online.contracts import Click
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.metrics import Judged, PrequentialJudge
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog
from mos_online.training.ranking import CatalogueRanking, in_chunks

SLICE = "validation"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Full-ranking quality: means over all positions; a target that nobody had clicked before counts as missed.

    Attributes:
        hit_rate, ndcg: at 10.
        auc: see ``Ranked``; over the other positions.
        positions: how many.
    """

    hit_rate: float
    ndcg: float
    auc: float
    positions: int


@torch.inference_mode()
def measure(model: SequenceModel, data: ExampleLog, log_share: Tensor) -> Quality:
    """Rank the whole catalogue for every position.

    Args:
        model: set to evaluation.
        data: the positions.
        log_share: float32 (items + 1,), log of each item's share of the clicks before them.
    """
    model.eval()
    log_share = log_share.to(model.device)
    ranking = CatalogueRanking(model)
    ranks, aucs = [torch.zeros(0)], [torch.zeros(0)]
    for chunk in in_chunks(data):
        one = chunk.to(model.device)
        found = ranking.rank(one, *ranking.scores(one), log_share)
        ranks.append(found.rank.cpu())
        aucs.append(found.auc.cpu())
    rank = torch.cat(ranks)
    hit = (rank >= 1) & (rank <= 10)
    count = max(len(rank), 1)
    return Quality(
        hit_rate=float(hit.sum()) / count,
        ndcg=float((1 / torch.log2(rank[hit] + 1.0)).sum()) / count,
        auc=float(torch.cat(aucs).nanmean()),
        positions=len(rank),
    )


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
