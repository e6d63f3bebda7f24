"""From stored scores to metrics and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from evaluation.protocol.scores import Scores
from evaluation.results.store import RunKey, RunRecord, Store
from evaluation.static.facts import INSIDE, RETURNING
from mos_online.metrics.bootstrap import (
    Comparison,
    paired_bootstrap,
    paired_gauc_bootstrap,
    seed_interval,
    slope_interval,
)
from mos_online.metrics.ctr import (
    PlattScaling,
    auc,
    expected_calibration_error,
    group_auc,
    log_loss,
    user_aucs,
)
from mos_online.metrics.ranking import Estimate

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

DRAWS = 10_000
"""Of the bootstrap: enough for Holm's correction over some hundred comparisons."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Means over seeds of one model on one dataset and backbone.

    Attributes:
        auc, gauc: over all impressions; by user.
        themed: request-wise AUC against negatives of the target's theme.
        log_loss, calibration_error: of Platt-scaled probabilities, fitted on one half of the users for the other.
        ndcg, hit_rate, reciprocal_rank: at 10, 10 and 20 by full ranking; nan where the model ranks no catalogue.
    """

    model: str
    seeds: int
    auc: float
    gauc: float
    themed: float
    log_loss: float
    calibration_error: float
    ndcg: float
    hit_rate: float
    reciprocal_rank: float
    parameters: int
    rate: float
    seconds: float
    milliseconds_scoring: float


class Group:
    """All seeds of one model on one dataset and backbone, read once."""

    def __init__(self, store: Store, records: Sequence[RunRecord]) -> None:
        self.records = list(records)
        self.key = self.records[0].key
        facts = store.facts(self.key.dataset)
        self.users: NDArray[np.int64] = facts["user"].astype(np.int64)
        self.scores: list[Scores] = [store.scores(record.key) for record in self.records]
        self.kept = _complete(self.scores[0].logits)
        self.kept_themed = _complete(self.scores[0].themed)

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.scores)

    @property
    def ranks_catalogue(self) -> bool:
        """Whether the whole catalogue was ranked, not only the sampled candidates."""
        return any(one.ranks.any() for one in self.scores)

    def requests(self, *, themed: bool = False) -> Floats:
        """Share of its negatives that each target beats, float64 (seeds, n), of the requests with all negatives."""
        if themed:
            return np.stack([group_auc(one.themed[self.kept_themed]) for one in self.scores])
        return np.stack([group_auc(one.logits[self.kept]) for one in self.scores])

    def by_user(self) -> tuple[Floats, NDArray[np.int64]]:
        """AUC of every user, float64 (seeds, u), and impressions (u,)."""
        found = [user_aucs(*self._impressions(one)) for one in self.scores]
        return np.stack([aucs for _, aucs, _ in found]), found[0][2]

    def ndcg(self) -> Floats:
        """NDCG@10 of every request, float64 (seeds, n)."""
        ranks = np.stack([one.ranks for one in self.scores]).astype(np.float64)
        return np.where((ranks > 0) & (ranks <= 10), 1 / np.log2(np.maximum(ranks, 1) + 1), 0.0)

    def row(self) -> Row:
        """Means over seeds."""
        aucs, impressions = self.by_user()
        ranks = np.stack([one.ranks for one in self.scores])
        ranked = self.ranks_catalogue
        loss, error = self._calibration()
        listed = (ranks > 0) & (ranks <= 20)
        milliseconds = [1000 * record.seconds_scoring / len(self.users) for record in self.records]
        return Row(
            model=self.key.model,
            seeds=self.seeds,
            auc=float(np.mean([auc(*self._impressions(one)[:2]) for one in self.scores])),
            gauc=float((aucs @ impressions / impressions.sum()).mean()),
            themed=float(self.requests(themed=True).mean()),
            log_loss=loss,
            calibration_error=error,
            ndcg=float(self.ndcg().mean()) if ranked else np.nan,
            hit_rate=float(((ranks > 0) & (ranks <= 10)).mean()) if ranked else np.nan,
            reciprocal_rank=float(np.where(listed, 1 / np.maximum(ranks, 1), 0).mean()) if ranked else np.nan,
            parameters=self.records[0].parameters,
            rate=self.records[0].rate,
            seconds=float(np.mean([record.seconds for record in self.records[1:] or self.records])),
            milliseconds_scoring=float(np.mean(milliseconds)),
        )

    def _impressions(self, one: Scores) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Labels, scores and users of all impressions."""
        logits = one.logits[self.kept]
        labels = np.zeros(logits.shape, np.int64)
        labels[:, 0] = 1
        users = np.repeat(self.users[self.kept], logits.shape[1])
        return labels.ravel(), logits.ravel(), users

    def _calibration(self) -> tuple[float, float]:
        """Log loss and expected calibration error of the first seed, cross-fitted over two halves of the users."""
        labels, logits, users = self._impressions(self.scores[0])
        half = users % 2 == 0
        if half.all() or not half.any():
            return float("nan"), float("nan")
        chances = np.empty(len(labels))
        for part in (half, ~half):
            chances[part] = PlattScaling.fit(labels[~part], logits[~part]).apply(logits[part])
        return log_loss(labels, chances), expected_calibration_error(labels, chances)


def _complete(scores: NDArray[np.float32]) -> Mask:
    """Rows without nan."""
    return np.asarray(np.isfinite(scores).all(1), np.bool_)


class Results:
    """All runs of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._records: dict[tuple[str, str, str], list[RunRecord]] = {}
        for record in store.records():
            key = record.key
            self._records.setdefault((key.dataset, key.backbone, key.model), []).append(record)
        self.group = lru_cache(maxsize=64)(self._group)

    def _group(self, dataset: str, backbone: str, model: str) -> Group:
        return Group(self.store, self._records[dataset, backbone, model])

    @property
    def datasets(self) -> list[str]:
        """By name."""
        return sorted({dataset for dataset, _, _ in self._records})

    def backbones(self, dataset: str) -> list[str]:
        """Of a dataset, without the ones that count."""
        return sorted({b for d, b, _ in self._records if d == dataset and b != "counting"})

    def models(self, dataset: str, backbone: str) -> list[str]:
        """Of a dataset and backbone."""
        return [c for d, b, c in self._records if (d, b) == (dataset, backbone)]

    def has(self, dataset: str, backbone: str, model: str) -> bool:
        """Whether it was run."""
        return (dataset, backbone, model) in self._records

    def keys(self) -> list[RunKey]:
        """Every run."""
        return [record.key for records in self._records.values() for record in records]

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

    def request_gains(
        self, dataset: str, backbone: str, one: str, other: str, *, themed: bool = False
    ) -> tuple[Floats, Mask, NDArray[np.int64]]:
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


def slices(facts: dict[str, NDArray[np.generic]]) -> dict[str, Mask]:
    """Requests by history, hop rate, place in the session and age of the target."""
    history, hop = facts["history"].astype(np.float64), facts["hop_rate"].astype(np.float64)
    low, high = np.nanquantile(hop, (1 / 3, 2 / 3)) if np.isfinite(hop).any() else (np.nan, np.nan)
    return {
        "history 5-9": history < 10,
        "history 10-19": (history >= 10) & (history < 20),
        "history 20-49": (history >= 20) & (history < 50),
        "history 50 and more": history >= 50,
        f"hop rate up to {low:.2f}": hop <= low,
        f"hop rate to {high:.2f}": (hop > low) & (hop <= high),
        "hop rate above": hop > high,
        "inside a session": facts["kind"] == INSIDE,
        "first of a returning theme": facts["kind"] == RETURNING,
        "cold item": facts["cold"].astype(bool),
    }
