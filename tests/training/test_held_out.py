"""Which examples are learned first, which are held out, and on which of those a model is measured."""

from __future__ import annotations

import numpy as np
import pytest

from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig
from mos_online.training.moments import spread
from mos_online.training.prepare import TrainingData, prepare
from simulator.population import SyntheticConfig, synthesize


def prepared(validated: int) -> TrainingData:
    log = synthesize(SyntheticConfig(users=60, themes=4, items_per_theme=12))
    config = TrainConfig(themes=4, width=8, examples=900, moment=50, fresh=8, validated=validated)
    return prepare(log.events, log.items, SessionConfig(), config, lambda stage, part, words: None)


@pytest.mark.parametrize(("validated", "measured"), [(10_000, 90), (40, 40)])
def test_all_examples_are_learned_in_the_end_and_the_measured_ones_are_spread_over_the_newest_tenth(
    validated: int, measured: int
) -> None:
    data = prepared(validated)
    count = len(data.log.by_time)
    every = np.concatenate([moment.positions for moment in data.everything.moments])
    assert data.log.rank[every].tolist() == list(range(count - 900, count))
    assert data.border == count - 90
    assert data.learned.count == 810
    assert len(data.judged) == measured
    assert (np.diff(data.judged) > 0).all()
    first, last = data.judged[0], data.judged[-1]
    assert first == data.border
    assert last >= count - 90 / 5
    assert [moment.clicks_before for moment in data.validation.moments] == data.judged[::8].tolist()
    assert all(moment.neighbours is not None for moment in data.validation.moments)


@pytest.mark.parametrize(("count", "size", "most"), [(1, 16, 10), (200, 16, 200), (200, 16, 50), (33, 4, 5), (7, 3, 7)])
def test_spread_takes_whole_chunks_and_never_fewer_than_asked_for(count: int, size: int, most: int) -> None:
    positions = np.arange(count) + 5
    chosen = spread(positions, size, most)
    assert min(count, most) <= len(chosen) < most + size
    assert set(chosen.tolist()) <= set(positions.tolist())
    assert all((chosen[begin] - 5) % size == 0 for begin in range(0, len(chosen), size))
