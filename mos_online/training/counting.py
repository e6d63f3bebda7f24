"""What those who only count reach on the positions on which a model is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from mos_online.baselines import LastItemKnn, RecentPopularity, VmisKnn, choose_knn, sessions_resume
from mos_online.contracts import Click
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.metrics import Judged, PrequentialJudge

SLICE = "validation"


@dataclass(frozen=True, kw_only=True)
class CountingSettings:
    """Settings of those who only count, the best ones on the clicks before the judged ones.

    Attributes:
        half_life_ms: of item popularity; knn_half_life_ms: of the co-clicks of ``LastItemKnn``.
        gap_ms: silence that ends a session.
        knn_resumes, vmis_resumes: whether the session before counts at the start of the next one.
    """

    half_life_ms: float
    knn_half_life_ms: float
    gap_ms: int
    knn_resumes: bool
    vmis_resumes: bool

    @classmethod
    def chosen(cls, past: pl.DataFrame, *, half_life_ms: float, gap_ms: int) -> Self:
        """Choose the settings.

        Args:
            past: events before the judged ones, ascending in time.
            half_life_ms: of item popularity.
            gap_ms: silence that ends a session.
        """
        best = choose_knn(past, gap_ms=gap_ms, popularity_half_life_ms=half_life_ms)

        def vmis(fill: RecentPopularity, resumes: bool) -> VmisKnn:
            return VmisKnn(gap_ms=gap_ms, fill=fill, resumes=resumes)

        return cls(
            half_life_ms=half_life_ms,
            knn_half_life_ms=best.half_life_ms,
            gap_ms=gap_ms,
            knn_resumes=best.resumes,
            vmis_resumes=sessions_resume(past, vmis, popularity_half_life_ms=half_life_ms),
        )


def measure_baselines(clicks: Sequence[Click], first: int, best: CountingSettings) -> Judged:
    """Popularity, item-kNN and VMIS-kNN on the clicks from ``first`` on, each of which they learn at once.

    Args:
        clicks: the log in order of time.
        first: number of the first click that is predicted; ``WARM_UP_CLICKS`` before it are learned.
        best: settings, chosen on clicks before ``first``.

    Returns:
        By the names "popularity", "item-knn" and "vmis-knn".
    """
    popularity = RecentPopularity(half_life_ms=best.half_life_ms)
    item_knn = LastItemKnn(
        gap_ms=best.gap_ms, half_life_ms=best.knn_half_life_ms, fill=popularity, resumes=best.knn_resumes
    )
    vmis_knn = VmisKnn(gap_ms=best.gap_ms, fill=popularity, resumes=best.vmis_resumes)
    judge = PrequentialJudge()
    warm = max(0, first - WARM_UP_CLICKS)
    for number, click in enumerate(clicks[warm:], warm):
        if number >= first:
            answers = {
                "popularity": popularity.top(10),
                "item-knn": item_knn.top(click.user_id, 10),
                "vmis-knn": vmis_knn.top(click.user_id, 10),
            }
            judge.ask(str(number), click.user_id, SLICE, answers)
            judge.settle(str(number), click.item_id)
        for learner in (popularity, item_knn, vmis_knn):
            learner.observe(click)
    return judge.result(SLICE)
