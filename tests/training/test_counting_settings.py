"""Those who only count leave out what a user had, each if its own settings say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mos_online.baselines import KnnChoice, ListRules
from mos_online.contracts import Click
from mos_online.training.counting import CountingSettings, measure_baselines

NAMES = ("popularity", "item-knn", "vmis-knn")
ALL = CountingSettings(
    half_life_ms=1e9,
    gap_ms=1000,
    popularity_repeats=True,
    knn=KnnChoice(half_life_ms=1e9, resumes=False, repeats=True),
    vmis=ListRules(resumes=False, repeats=True),
)
NONE = {
    "popularity": replace(ALL, popularity_repeats=False),
    "item-knn": replace(ALL, knn=replace(ALL.knn, repeats=False)),
    "vmis-knn": replace(ALL, vmis=replace(ALL.vmis, repeats=False)),
}


def log() -> list[Click]:
    """Many take the same twelve items. The last user does, too, and then takes a thirteenth, which fewer had."""
    twelve = [f"i{n:02}" for n in range(12)]
    rows = [(f"u{user}", item) for user in range(6) for item in twelve]
    rows += [("w", "i11"), ("w", "other")]
    rows += [("last", item) for item in [*twelve, "other"]]
    return [Click(event_id=f"{n}", user_id=user, item_id=item, timestamp=n) for n, (user, item) in enumerate(rows)]


@pytest.mark.parametrize("name", NAMES)
def test_each_by_its_own_settings(name: str) -> None:
    clicks = log()
    last = np.array([len(clicks) - 1])
    whole = measure_baselines(clicks, last, ALL)
    without = measure_baselines(clicks, last, NONE[name])
    for one in NAMES:
        assert whole.hit_rate[one].mean == 0.0
        assert without.hit_rate[one].mean == float(one == name)


def test_clicks_that_are_not_judged_are_learned() -> None:
    clicks = log()
    few = measure_baselines(clicks, np.array([len(clicks) - 40, len(clicks) - 1]), ALL)
    every = measure_baselines(clicks, np.arange(len(clicks) - 40, len(clicks)), ALL)
    assert few.requests == 2
    assert every.requests == 40
    alone = measure_baselines(clicks, np.array([len(clicks) - 1]), ALL)
    first = measure_baselines(clicks, np.array([len(clicks) - 40]), ALL)
    for one in NAMES:
        assert 2 * few.hit_rate[one].mean == alone.hit_rate[one].mean + first.hit_rate[one].mean
