"""From stored runs to metrics and paired differences."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluation.results.seed_group import SeedGroup
from evaluation.results.store import RunRecord, Store
from mos_online.arrays import Floats, Ints
from mos_online.metrics.bootstrap import (
    Comparison,
    paired_bootstrap,
    paired_gauc_bootstrap,
    seed_interval,
    slope_interval,
)
from mos_online.metrics.ranking import Estimate

Mask = NDArray[np.bool_]

DRAWS = 10_000
"""Bootstrap draws: enough for Holm's correction over some hundred comparisons."""


class Results:
    """All runs of a store, and how two models differ in them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._records: dict[tuple[str, str, str], list[RunRecord]] = {}
        for record in store.records():
            key = record.key
            self._records.setdefault((key.dataset, key.backbone, key.model), []).append(record)
        self.group = lru_cache(maxsize=64)(self._group)

    def _group(self, dataset: str, backbone: str, model: str) -> SeedGroup:
        return SeedGroup(self.store, self._records[dataset, backbone, model])

    @property
    def datasets(self) -> list[str]:
        """The names of all datasets, sorted."""
        return sorted({dataset for dataset, _, _ in self._records})

    def backbones(self, dataset: str) -> list[str]:
        """The backbones that were run on a dataset, sorted; models that count have none."""
        return sorted({b for d, b, _ in self._records if d == dataset and b != "counting"})

    def models(self, dataset: str, backbone: str) -> list[str]:
        """The models that were run on a dataset with a backbone."""
        return [c for d, b, c in self._records if (d, b) == (dataset, backbone)]

    def has(self, dataset: str, backbone: str, model: str) -> bool:
        """Whether a model was run on a dataset with a backbone."""
        return (dataset, backbone, model) in self._records

    def gauc_gain(self, dataset: str, backbone: str, one: str, other: str) -> Comparison:
        """GAUC of one minus the other's, paired by user, averaged over the seeds that both have."""
        (a, weights), (b, _) = (self.group(dataset, backbone, name).by_user() for name in (one, other))
        seeds = min(len(a), len(b))
        return paired_gauc_bootstrap(a[:seeds], b[:seeds], weights, draws=DRAWS)

    def seed_gain(self, dataset: str, backbone: str, one: str, other: str) -> Estimate:
        """The same difference with an interval over seeds of training instead of users."""
        (a, weights), (b, _) = (self.group(dataset, backbone, name).by_user() for name in (one, other))
        seeds = min(len(a), len(b))
        return seed_interval((a[:seeds] - b[:seeds]) @ weights / weights.sum())

    def seed_ndcg_gain(self, dataset: str, backbone: str, one: str, other: str) -> Estimate:
        """The difference in NDCG@10 of two fitted models, with an interval over seeds of training."""
        a, b = (self.group(dataset, backbone, name).ndcg().mean(1) for name in (one, other))
        seeds = min(len(a), len(b))
        return seed_interval(a[:seeds] - b[:seeds])

    def request_gains(
        self, dataset: str, backbone: str, one: str, other: str, *, themed: bool = False
    ) -> tuple[Floats, Mask, Ints]:
        """Gain of every request (n,), averaged over seeds; which requests of the facts these are; their users."""
        a, b = (self.group(dataset, backbone, name) for name in (one, other))
        seeds = min(a.seeds, b.seeds)
        kept = a.kept_themed if themed else a.kept
        gains = (a.requests(themed=themed)[:seeds] - b.requests(themed=themed)[:seeds]).mean(0)
        return gains, kept, a.users[kept]

    def slice_gain(
        self, dataset: str, backbone: str, one: str, other: str, chosen: Mask, *, themed: bool = False
    ) -> Comparison:
        """Gain in request-wise AUC on some of the requests; ``chosen``: of all of the dataset's."""
        gains, kept, users = self.request_gains(dataset, backbone, one, other, themed=themed)
        at = chosen[kept]
        return paired_bootstrap(gains[at], np.zeros(int(at.sum())), users[at], draws=DRAWS)

    def slope(self, dataset: str, backbone: str, one: str, other: str, covariate: Floats) -> Comparison:
        """How the gain of a request grows with a covariate (n,); nan is left out."""
        gains, kept, users = self.request_gains(dataset, backbone, one, other)
        x = covariate[kept]
        known = np.isfinite(x)
        return slope_interval(gains[known], x[known], users[known], draws=DRAWS)

    def ndcg_gain(self, dataset: str, backbone: str, one: str, other: str, other_backbone: str) -> Comparison:
        """NDCG@10 of one minus the other's, which may be a counting model."""
        a, b = self.group(dataset, backbone, one), self.group(dataset, other_backbone, other)
        seeds = min(a.seeds, b.seeds) if b.seeds > 1 else a.seeds
        values = b.ndcg() if b.seeds > 1 else np.repeat(b.ndcg(), seeds, 0)
        return paired_bootstrap(a.ndcg()[:seeds], values[:seeds], a.users, draws=DRAWS)
