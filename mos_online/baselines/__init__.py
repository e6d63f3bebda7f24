"""Recommenders that only count, to compare with: recent popularity, last-item neighbours and VMIS-kNN."""

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.baselines.half_life import choose_half_life
from mos_online.baselines.knn_choice import KnnChoice, choose_knn, sessions_resume
from mos_online.baselines.vmis_knn import VmisKnn

__all__ = [
    "KnnChoice",
    "LastItemKnn",
    "RecentPopularity",
    "VmisKnn",
    "choose_half_life",
    "choose_knn",
    "sessions_resume",
]
