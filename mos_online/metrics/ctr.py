"""Metrics of click prediction: AUC over all impressions, per user and per request; calibration.

Everywhere ``labels`` are (n,) of 0 and 1, or bool; ``scores`` (n,), higher means more likely, infinite ones are fine;
``users`` (n,), whose impression it is, whole numbers or strings; ``probabilities`` (n,) in [0, 1]. Arrays that do not
fit together, other labels and nan raise ``DatasetError``. numpy only, vectorised.
"""

from __future__ import annotations

import math
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError, ModelError

CLOSEST = 1e-7
"""Log loss keeps probabilities this far from 0 and 1: about the spacing of float32 next to 1."""

NEWTON_STEPS = 50


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """The share of pairs (positive, negative) in which the positive scores higher, a tie counts half; nan if one class.

    The rank statistic of Mann & Whitney 1947, equal to the area under the ROC curve (Hanley & McNeil 1982). Pairs are
    counted in whole numbers, so the order of the rows does not matter.

    >>> auc([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4])
    0.875
    """
    known, points = _rows(labels, "scores", scores)
    return float(_aucs(known, points, np.zeros(len(known), np.int64), 1)[0])


def user_aucs(labels: ArrayLike, scores: ArrayLike, users: ArrayLike) -> tuple[NDArray[Any], Floats, Ints]:
    """The AUC of every user who has both classes: users (u,) ascending, AUC float64 (u,), impressions int64 (u,).

    Which users these are depends on the labels only, so two models, or two seeds, judged on the same impressions give
    arrays that fit together: see ``paired_gauc_bootstrap``.

    >>> user_aucs([1, 0, 1, 0, 1], [2.0, 1.0, 1.0, 2.0, 3.0], [7, 7, 3, 3, 5])
    (array([3, 7]), array([0., 1.]), array([2, 2]))
    """
    known, points = _rows(labels, "scores", scores)
    names, codes = np.unique(users, return_inverse=True)
    if codes.shape != known.shape:
        raise DatasetError(f"users have shape {codes.shape}, labels {known.shape}: give one user an impression")
    aucs = _aucs(known, points, codes, len(names))
    both = ~np.isnan(aucs)
    return names[both], aucs[both], np.bincount(codes, minlength=len(names))[both]


def gauc(labels: ArrayLike, scores: ArrayLike, users: ArrayLike) -> float:
    """Mean AUC of the users with both classes, weighted by all their impressions; nan without such a user.

    Zhu et al. 2017 (optimised cost per click at Taobao); Zhou et al. 2018 (DIN).

    >>> gauc([1, 0, 0, 1, 0, 1], [2.0, 1.0, 1.0, 1.0, 2.0, 3.0], ["u", "u", "u", "v", "v", "w"])
    0.6
    """
    _, aucs, impressions = user_aucs(labels, scores, users)
    return float(np.average(aucs, weights=impressions)) if len(aucs) else math.nan


def group_auc(scores: ArrayLike) -> Floats:
    """The AUC inside each request: the share of its negatives that its positive beats, a tie counts half.

    Args:
        scores: (n, 1 + m) with m >= 1, the positive in column 0; the result is float64 (n,), for paired tests.

    >>> group_auc([[2.0, 1.0, 3.0], [1.0, 1.0, 0.0]])
    array([0.5 , 0.75])
    """
    points = _numbers("scores", scores)
    if points.ndim != 2 or points.shape[1] < 2:
        raise DatasetError(f"scores have shape {points.shape}, not (n, 1 + m): give at least one negative a request")
    positive, negatives = points[:, :1], points[:, 1:]
    beaten: Floats = ((positive > negatives) + 0.5 * (positive == negatives)).mean(axis=1)
    return beaten


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-likelihood in nats, probabilities clipped to [``CLOSEST``, 1 - ``CLOSEST``]; nan without rows.

    >>> round(log_loss([1, 0], [0.5, 0.0]), 4)
    0.3466
    """
    known, chances = _forecasts(labels, probabilities)
    right = np.where(known, chances, 1.0 - chances)
    return float(-np.log(np.clip(right, CLOSEST, 1.0 - CLOSEST)).mean()) if len(known) else math.nan


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> float:
    """Mean over impressions of |mean probability - share of clicks| in the impression's bin; nan without rows.

    The error of Naeini et al. 2015, but with bins of equal count (Nguyen & O'Connor 2015), not of equal width, which
    would leave most of [0, 1] empty at low click rates. Equal probabilities share a bin, so the order of the rows does
    not matter; where many are equal the bins are uneven.

    >>> round(expected_calibration_error([0, 1, 1, 1], [0.2, 0.4, 0.7, 0.9], bins=2), 4)
    0.2
    """
    known, chances = _forecasts(labels, probabilities)
    if bins < 1:
        raise DatasetError(f"bins is {bins}; give at least 1")
    if not len(known):
        return math.nan
    below = np.searchsorted(np.sort(chances), chances)
    return float(np.abs(np.bincount(below * bins // len(known), weights=chances - known)).sum() / len(known))


class PlattScaling(msgspec.Struct, frozen=True, kw_only=True):
    """Calibrated probabilities sigmoid(slope * logit + intercept), fitted on a validation part (Platt 1999).

    >>> scaling = PlattScaling.fit([0, 0, 1, 0, 1, 1], [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
    >>> scaling.apply([-1.0, 1.0]).round(2)
    array([0.35, 0.65])
    """

    slope: float
    intercept: float

    @classmethod
    def fit(cls, labels: ArrayLike, logits: ArrayLike) -> Self:
        """Maximum likelihood by Newton's method with step halving (Lin, Lin & Weng 2007).

        The targets are Platt's, (P + 1) / (P + 2) and 1 / (N + 2) for P clicks and N others: the slope stays finite
        where the logits separate the classes. Equal logits give slope 0.

        Raises:
            DatasetError: also if a class is missing or a logit is infinite.
            ModelError: no convergence in ``NEWTON_STEPS``.
        """
        known, points = _rows(labels, "logits", logits)
        clicks, others = int(known.sum()), int((~known).sum())
        if not clicks or not others or not np.isfinite(points).all():
            raise DatasetError(f"{clicks} clicks, {others} others: give both classes, with finite logits")
        targets = np.where(known, (clicks + 1) / (clicks + 2), 1 / (others + 2))
        centre, spread = points.mean(), points.std()
        if spread <= 1e-12 * np.abs(points).max():
            spread = math.inf  # nothing but rounding
        design = np.stack([(points - centre) / spread, np.ones(len(points))], axis=1)
        fitted = np.array([0.0, math.log((clicks + 1) / (others + 1))])

        def loss(weights: Floats) -> float:
            return float(np.mean(np.logaddexp(0.0, design @ weights) - targets * (design @ weights)))

        for _ in range(NEWTON_STEPS):
            chances = _sigmoid(design @ fitted)
            gradient = design.T @ (chances - targets) / len(points)
            if np.abs(gradient).max() < 1e-9:
                slope = float(fitted[0] / spread)
                return cls(slope=slope, intercept=float(fitted[1] - slope * centre))
            curvature = (design.T * (chances * (1.0 - chances))) @ design / len(points) + 1e-12 * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            before, slack = loss(fitted), 1e-12  # near the minimum a gain is smaller than its rounding
            while loss(fitted - step) > before - 1e-4 * float(gradient @ step) + slack:
                step = step / 2
            fitted = fitted - step
        raise ModelError(f"Platt scaling still has gradient {gradient} after {NEWTON_STEPS} steps: look for outliers")

    def apply(self, logits: ArrayLike) -> Floats:
        """Probabilities float64, in the shape of ``logits``."""
        return _sigmoid(self.slope * _numbers("logits", logits) + self.intercept)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)), np.float64)


def _aucs(known: NDArray[np.bool_], points: Floats, codes: Ints, groups: int) -> Floats:
    """AUC of every group, nan where a class is missing."""
    order = np.lexsort((points, codes))
    known, points, codes = known[order], points[order], codes[order]
    fresh = np.ones(len(known), bool)
    fresh[1:] = (codes[1:] != codes[:-1]) | (points[1:] != points[:-1])
    ties = np.cumsum(fresh) - 1  # one number for each group and score
    owner = codes[fresh]
    won, lost = np.bincount(ties, weights=known), np.bincount(ties, weights=~known)
    positives = np.bincount(codes, weights=known, minlength=groups)
    negatives = np.bincount(codes, weights=~known, minlength=groups)
    below = np.cumsum(lost) - lost - (np.cumsum(negatives) - negatives)[owner]
    beaten = np.bincount(owner, weights=won * (below + lost / 2), minlength=groups)
    pairs = positives * negatives
    aucs = np.full(groups, math.nan)
    np.divide(beaten, pairs, out=aucs, where=pairs > 0)
    return aucs


def _numbers(name: str, values: ArrayLike) -> Floats:
    numbers = np.asarray(values, np.float64)
    if np.isnan(numbers).any():
        raise DatasetError(f"{int(np.isnan(numbers).sum())} of {numbers.size} {name} are nan: look at the model")
    return numbers


def _rows(labels: ArrayLike, name: str, values: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Labels as bool and values as float64, checked."""
    known, numbers = np.asarray(labels), _numbers(name, values)
    if known.ndim != 1 or known.shape != numbers.shape:
        raise DatasetError(f"labels have shape {known.shape}, {name} {numbers.shape}: give both as (n,)")
    if not np.isin(known, (0, 1)).all():
        raise DatasetError(f"labels hold {np.setdiff1d(known, (0, 1))[:3].tolist()}; only 0 and 1 are allowed")
    return known == 1, numbers


def _forecasts(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    known, chances = _rows(labels, "probabilities", probabilities)
    if len(chances) and not 0.0 <= chances.min() <= chances.max() <= 1.0:
        raise DatasetError(f"probabilities reach from {chances.min()} to {chances.max()}: apply the sigmoid first")
    return known, chances
