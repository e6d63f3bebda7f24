"""Recommenders that only count, to compare with: recent popularity and last-item neighbours."""

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.baselines.half_life import choose_half_life, choose_knn_half_life, knn_half_life

__all__ = ["LastItemKnn", "RecentPopularity", "choose_half_life", "choose_knn_half_life", "knn_half_life"]
