"""All seeds of one candidate model on one dataset and backbone, and the metrics of a table row."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from evaluation.protocol.scores import Scores
from evaluation.results.store import RunRecord, Store
from mos_online.arrays import Floats, Floats32, Ints
from mos_online.metrics.ctr import PlattScaling, auc, expected_calibration_error, group_auc, log_loss, user_aucs

Mask = NDArray[np.bool_]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Means over seeds of one model on one dataset and backbone.

    Attributes:
        model, seeds: its name, and how many seeds there are.
        auc, gauc: over all impressions; by user.
        themed: request-wise AUC against negatives of the target's theme.
        log_loss, calibration_error: of Platt-scaled probabilities, fitted on one half of the users for the other.
        ndcg, hit_rate, reciprocal_rank: at 10, 10 and 20 by full ranking; nan where the model ranks no catalogue.
        parameters, rate: outside of the embeddings; the learning rate.
        seconds, milliseconds_scoring: of one fit; of one request.
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


class SeedGroup:
    """All seeds of one model on one dataset and backbone, read once."""

    def __init__(self, store: Store, records: Sequence[RunRecord]) -> None:
        self.records = list(records)
        self.key = self.records[0].key
        facts = store.facts(self.key.dataset)
        self.users: Ints = facts["user"].astype(np.int64)
        self.scores: list[Scores] = [store.scores(record.key) for record in self.records]
        self.kept = _complete(self.scores[0].logits)
        self.kept_themed = _complete(self.scores[0].themed)

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
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

    def by_user(self) -> tuple[Floats, Ints]:
        """AUC of every user, float64 (seeds, u), and impressions (u,)."""
        found = [user_aucs(*self._impressions(one)) for one in self.scores]
        return np.stack([aucs for _, aucs, _ in found]), found[0][2]

    def ndcg(self) -> Floats:
        """NDCG@10 of every request, float64 (seeds, n)."""
        ranks = np.stack([one.ranks for one in self.scores]).astype(np.float64)
        return np.where((ranks > 0) & (ranks <= 10), 1 / np.log2(np.maximum(ranks, 1) + 1), 0.0)

    def row(self) -> Row:
        """The metrics of the table, as means over seeds."""
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

    def _impressions(self, one: Scores) -> tuple[Ints, Floats32, Ints]:
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


def _complete(scores: Floats32) -> Mask:
    """Rows without nan."""
    return np.asarray(np.isfinite(scores).all(1), np.bool_)
