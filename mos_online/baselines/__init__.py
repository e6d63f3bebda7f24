"""Recommenders that only count, to compare with: recent popularity, last-item neighbours and VMIS-kNN."""

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.baselines.had_items import HadItems
from mos_online.baselines.half_life import choose_half_life, popularity_repeats
from mos_online.baselines.knn_choice import KnnChoice, ListRules, choose_knn, choose_list_rules
from mos_online.baselines.vmis_knn import VmisKnn

__all__ = [
    "HadItems",
    "KnnChoice",
    "LastItemKnn",
    "ListRules",
    "RecentPopularity",
    "VmisKnn",
    "choose_half_life",
    "choose_knn",
    "choose_list_rules",
    "popularity_repeats",
]
