"""How good rankings are: metrics, their intervals, paired comparison, prequential judging."""

from mos_online.metrics.prequential import Judged, PrequentialJudge
from mos_online.metrics.ranking import Estimate, clustered_mean, hit_rate, ndcg, paired_difference, reciprocal_rank

__all__ = [
    "Estimate",
    "Judged",
    "PrequentialJudge",
    "clustered_mean",
    "hit_rate",
    "ndcg",
    "paired_difference",
    "reciprocal_rank",
]
