"""Whether a candidate replaces the champion: better on the newest clicks, and worse nowhere."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Floats, Ints
from mos_online.fine_tuning.judged import Judged
from mos_online.fine_tuning.shadow import Shadow
from mos_online.fine_tuning.slices import NEW_ITEMS
from mos_online.metrics.bootstrap import Comparison, paired_bootstrap

MOST_WORSE = 0.002
"""A candidate may be worse by so much GAUC, at the lower end of the interval."""

MOST_MISCALIBRATED = 0.01
"""So much more may its first item's probability be wrong."""

FEWEST_OF_SLICE = 200
"""A slice of fewer positions is not judged: its interval would say nothing."""

SLOWER, ALWAYS_FAST = 1.5, 0.05
"""A candidate may be so many times as slow as the champion at the 99th percentile, or take so many seconds."""


LEAST_ITEMS = 0.5
"""Its answers may name so many times fewer items than the champion's: else it has one answer for everybody."""


class Gain(msgspec.Struct, frozen=True):
    """Candidate minus champion, with the 95 % interval over users."""

    mean: float
    low: float
    high: float
    positions: int

    @classmethod
    def of(cls, found: Comparison, positions: int) -> Gain:
        """From a paired bootstrap."""
        return cls(found.mean, found.low, found.high, positions)

    @property
    def harms(self) -> bool:
        """Whether the whole interval is below zero: chance alone does not explain it."""
        return self.high < 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate found.

    Attributes:
        reasons: why the candidate is refused; none if it is promoted.
        gauc: on the held-out positions.
        ndcg: on the same.
        slices: GAUC on parts of them, and on earlier positions; of new items among themselves.
        calibration: expected calibration error of candidate and champion.
        shadow: how both answer the same requests.
    """

    reasons: list[str]
    gauc: Gain
    ndcg: Gain
    slices: dict[str, Gain]
    calibration: tuple[float, float]
    shadow: Shadow

    @property
    def passed(self) -> bool:
        """Whether the candidate is promoted."""
        return not self.reasons


def decide(
    candidate: Judged,
    champion: Judged,
    users: Ints,
    slices: Mapping[str, NDArray[np.bool_]],
    *,
    earlier: tuple[Judged, Judged, Ints],
    shadow: Shadow,
) -> Verdict:
    """Decide.

    Args:
        candidate, champion: of the same held-out positions.
        users: int64 (n,), whose positions these are.
        slices: from ``slices_of``.
        earlier: candidate, champion and users of positions that must not be forgotten.
        shadow: how both answer the same requests.
    """
    gauc = _gain(candidate.auc, champion.auc, users)
    ndcg = _gain(candidate.ndcg, champion.ndcg, users)
    parts = {}
    for name, of_it in slices.items():
        if of_it.sum() >= FEWEST_OF_SLICE:
            metric = [one.auc_of_new if name == NEW_ITEMS else one.auc for one in (candidate, champion)]
            parts[name] = _gain(metric[0][of_it], metric[1][of_it], users[of_it])
    if len(earlier[2]) >= FEWEST_OF_SLICE:
        parts["earlier clicks"] = _gain(earlier[0].auc, earlier[1].auc, earlier[2])
    calibration = candidate.calibration_error, champion.calibration_error
    return Verdict(
        reasons=[*_of_gains(gauc, ndcg, parts), *_of_service(calibration, shadow)],
        gauc=gauc,
        ndcg=ndcg,
        slices=parts,
        calibration=calibration,
        shadow=shadow,
    )


def _gain(candidate: Floats, champion: Floats, users: Ints) -> Gain:
    known = np.isfinite(candidate) & np.isfinite(champion)
    found = paired_bootstrap(candidate[known], champion[known], users[known])
    return Gain.of(found, int(known.sum()))


def _of_gains(gauc: Gain, ndcg: Gain, parts: Mapping[str, Gain]) -> list[str]:
    reasons = []
    if not (gauc.mean > 0 and gauc.low >= -MOST_WORSE):
        reasons.append(
            f"GAUC {gauc.mean:+.4f} [{gauc.low:+.4f}, {gauc.high:+.4f}] on {gauc.positions:,} newest clicks: it must "
            f"be above 0, and its lower end at least {-MOST_WORSE}"
        )
    if ndcg.harms:
        reasons.append(f"NDCG@10 {ndcg.mean:+.4f} [{ndcg.low:+.4f}, {ndcg.high:+.4f}]: it is worse")
    for name, gain in parts.items():
        if gain.harms:
            interval = f"[{gain.low:+.4f}, {gain.high:+.4f}]"
            reasons.append(f"GAUC on {name} {gain.mean:+.4f} {interval}, {gain.positions:,} clicks: it is worse")
    return reasons


def _of_service(calibration: tuple[float, float], shadow: Shadow) -> list[str]:
    reasons, latency, (own, other) = [], shadow.latency, shadow.items
    if not calibration[0] <= calibration[1] + MOST_MISCALIBRATED:
        reasons.append(
            f"calibration error {calibration[0]:.4f}, the champion's is {calibration[1]:.4f}: at most "
            f"{MOST_MISCALIBRATED} more is allowed"
        )
    if latency[0] > max(SLOWER * latency[1], ALWAYS_FAST):
        reasons.append(
            f"99 % of 500 requests took {1000 * latency[0]:.1f} ms, with the champion {1000 * latency[1]:.1f} ms: at "
            f"most {SLOWER} times that, or {1000 * ALWAYS_FAST:.0f} ms, is allowed"
        )
    if own < LEAST_ITEMS * other:
        reasons.append(
            f"the first ten items of its answers are {own:,} different ones, those of the champion {other:,}: at least "
            f"{LEAST_ITEMS} times as many are needed"
        )
    return reasons
