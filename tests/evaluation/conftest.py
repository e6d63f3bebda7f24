from __future__ import annotations

import pytest

from evaluation.protocol.data import ExperimentConfig, ExperimentData
from evaluation.protocol.split import SplitConfig
from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

SPLIT = SplitConfig(examples=600, judged=200, tested=300, history=3)
CONFIG = ExperimentConfig(split=SPLIT, themes=4, negatives=3, moment=64)


def small_experiment(data: Dataset, config: ExperimentConfig = CONFIG) -> ExperimentData:
    return ExperimentData(data.clicks, data.items, sessions=SessionConfig(), config=config, name="small")


@pytest.fixture(scope="session")
def population() -> Dataset:
    return synthesize(SyntheticConfig(users=120, themes=4, items_per_theme=15, hop=0.6, days=10))


@pytest.fixture(scope="session")
def experiment(population: Dataset) -> ExperimentData:
    return small_experiment(population)
