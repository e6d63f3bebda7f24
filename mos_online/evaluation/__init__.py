"""Judging recommenders on the same requests: baselines, metrics with intervals, prequential evaluation."""

from mos_online.evaluation.baselines import LastItemKnn, RecentPopularity
from mos_online.evaluation.half_life import choose_half_life, choose_knn_half_life
from mos_online.evaluation.metrics import Estimate, clustered_mean, hit_rate, ndcg, paired_difference, reciprocal_rank
from mos_online.evaluation.prequential import Judged, PrequentialJudge

__all__ = [
    "Estimate",
    "Judged",
    "LastItemKnn",
    "PrequentialJudge",
    "RecentPopularity",
    "choose_half_life",
    "choose_knn_half_life",
    "clustered_mean",
    "hit_rate",
    "ndcg",
    "paired_difference",
    "reciprocal_rank",
]
