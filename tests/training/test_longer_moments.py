"""Moments that were cut short are joined as if the log had been cut into longer ones."""

from __future__ import annotations

import numpy as np
import pytest

from mos_online.sessions import SessionConfig
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.moments import longer, moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from simulator.population import SyntheticConfig, synthesize


@pytest.mark.parametrize("count", [1, 16, 63, 64, 65, 200])
def test_joined_moments_are_those_of_a_longer_cut(count: int) -> None:
    made = synthesize(SyntheticConfig(users=30, themes=4, items_per_theme=10))
    log = ClickLog.cut(made.clicks, made.items, SessionConfig())
    catalogue = Catalogue.of_log(log)
    chosen = log.order[-count:]
    short, long = (moments(log, catalogue, chosen, size=size, half_life_ms=3.6e6) for size in (16, 64))
    rules = CoClickRules(half_life_ms=3.6e6, window_ms=SessionConfig().gap)
    joined, wanted = list(longer(list(with_neighbours(short, log, catalogue, rules)), 64)), list(long)
    assert [one.positions.tolist() for one in joined] == [one.positions.tolist() for one in wanted]
    assert [(one.clicks_before, one.seen) for one in joined] == [(one.clicks_before, one.seen) for one in wanted]
    for one, other in zip(joined, wanted, strict=True):
        np.testing.assert_array_equal(one.popular.popular, other.popular.popular)
        np.testing.assert_allclose(one.popular.facts, other.popular.facts)
        assert one.neighbours is None
