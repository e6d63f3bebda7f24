"""What those who only count reach on the positions on which a model is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from mos_online.arrays import Ints
from mos_online.baselines import (
    HadItems,
    KnnChoice,
    LastItemKnn,
    ListRules,
    RecentPopularity,
    VmisKnn,
    choose_knn,
    choose_list_rules,
    popularity_repeats,
)
from mos_online.contracts import Click
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.metrics import Judged, PrequentialJudge

SLICE = "validation"


@dataclass(frozen=True, kw_only=True)
class CountingSettings:
    """Settings of those who only count, the best ones on the clicks before the judged ones.

    Attributes:
        half_life_ms: of item popularity.
        gap_ms: silence that ends a session.
        popularity_repeats: whether popularity lists what a user had.
        knn, vmis: of ``LastItemKnn`` and ``VmisKnn``.
    """

    half_life_ms: float
    gap_ms: int
    popularity_repeats: bool
    knn: KnnChoice
    vmis: ListRules

    @classmethod
    def chosen(cls, past: pl.DataFrame, *, half_life_ms: float, gap_ms: int) -> Self:
        """Choose the settings.

        Args:
            past: events before the judged ones, ascending in time.
            half_life_ms: of item popularity.
            gap_ms: silence that ends a session.
        """

        def vmis(fill: RecentPopularity, resumes: bool) -> VmisKnn:
            return VmisKnn(gap_ms=gap_ms, fill=fill, resumes=resumes)

        return cls(
            half_life_ms=half_life_ms,
            gap_ms=gap_ms,
            popularity_repeats=popularity_repeats(past, half_life_ms=half_life_ms),
            knn=choose_knn(past, gap_ms=gap_ms, popularity_half_life_ms=half_life_ms),
            vmis=choose_list_rules(past, vmis, popularity_half_life_ms=half_life_ms),
        )


def measure_baselines(clicks: Sequence[Click], judged: Ints, best: CountingSettings) -> Judged:
    """Popularity, item-kNN and VMIS-kNN on some clicks; they learn each click at once.

    Args:
        clicks: the log in order of time.
        judged: int64 (n,), ascending numbers of the clicks that are predicted; ``WARM_UP_CLICKS`` before the first
            are learned.
        best: settings, chosen on clicks before those.

    Returns:
        By the names "popularity", "item-knn" and "vmis-knn".
    """
    popularity = RecentPopularity(half_life_ms=best.half_life_ms)
    item_knn = LastItemKnn(
        gap_ms=best.gap_ms, half_life_ms=best.knn.half_life_ms, fill=popularity, resumes=best.knn.resumes
    )
    vmis_knn = VmisKnn(gap_ms=best.gap_ms, fill=popularity, resumes=best.vmis.resumes)
    had, judge = HadItems(), PrequentialJudge()
    warm, asked = max(0, int(judged[0]) - WARM_UP_CLICKS), set(judged.tolist())
    for number, click in enumerate(clicks[warm : int(judged[-1]) + 1], warm):
        if number in asked:
            old = had.of(click.user_id)
            answers = {
                "popularity": popularity.top(10, () if best.popularity_repeats else old),
                "item-knn": item_knn.top(click.user_id, 10, () if best.knn.repeats else old),
                "vmis-knn": vmis_knn.top(click.user_id, 10, () if best.vmis.repeats else old),
            }
            judge.ask(str(number), click.user_id, SLICE, answers)
            judge.settle(str(number), click.item_id)
        for learner in (popularity, item_knn, vmis_knn, had):
            learner.observe(click)
    return judge.result(SLICE)
