"""The metrics of an experiment, as numbers of one finished user."""

from __future__ import annotations

from typing import NamedTuple

from mos_online.experiments.counting import Sums
from mos_online.experiments.plan import Metric
from mos_online.experiments.user_row import UserRow


class Number(NamedTuple):
    """A user's share of a metric.

    Attributes:
        numerator, denominator: the metric of an arm is the ratio of their sums.
        before: what the user did before the experiment, which explains some of it.
    """

    numerator: float
    denominator: float
    before: float


RATIOS = frozenset({"ctr"})
"""Metrics whose denominators are not 1."""

MEANINGS: dict[Metric, str] = {
    "ctr": "clicked items, by shown items",
    "conversion": "share of the users with a conversion",
    "revenue": "value of the conversions, by user; an outlier counts up to the usual most of before",
    "ndcg": "NDCG of the shown lists with clicks as labels, averaged for each user; a list without a click has 0",
    "sessions": "sessions that began in the window, by user; an outlier counts up to the usual most of before",
    "returned": "share of the users who began another session within a day of the first answer",
}


def number_of(metric: Metric, row: UserRow, usual: Sums | None) -> Number:
    """A user's share of a metric.

    Args:
        metric: which one.
        row: the finished user.
        usual: what an outlier did more of before the experiment; None: nobody is one.
    """
    before = row.before
    if metric == "ctr":
        return Number(float(sum(row.clicked)), float(sum(row.shown)), before.actions)
    if metric == "conversion":
        return Number(float(row.conversions > 0), 1.0, before.conversions)
    if metric == "revenue":
        return Number(_capped(row.value, usual.value if usual else 0.0), 1.0, before.value)
    if metric == "ndcg":
        return Number(row.ndcg / max(1, row.answers), 1.0, before.actions)
    if metric == "sessions":
        return Number(_capped(row.sessions, usual.sessions if usual else 0.0), 1.0, before.sessions)
    return Number(float(row.returned), 1.0, before.sessions)


def _capped(value: float, most: float) -> float:
    """At most ``most``; where that is 0, it is not known."""
    return min(float(value), most) if most > 0 else float(value)
