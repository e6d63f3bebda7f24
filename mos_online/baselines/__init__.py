"""Recommenders that only count, to compare with: recent popularity and last-item neighbours."""

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.baselines.half_life import choose_half_life
from mos_online.baselines.knn_choice import KnnChoice, choose_knn, knn_half_life, sessions_resume

__all__ = [
    "KnnChoice",
    "LastItemKnn",
    "RecentPopularity",
    "choose_half_life",
    "choose_knn",
    "knn_half_life",
    "sessions_resume",
]
