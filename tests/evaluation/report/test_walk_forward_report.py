"""A walk-forward comparison from a log to its report, twice: with new items and without any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evaluation.candidates.sizes import Sizes
from evaluation.protocol.fitting import FitConfig
from evaluation.report.walk_forward import write_walk_forward_report
from evaluation.results.store import Store
from evaluation.walk_forward.config import WalkForwardConfig
from evaluation.walk_forward.data import WalkForwardData
from evaluation.walk_forward.runs import run_seed
from evaluation.walk_forward.schedules import COMPARED, SCHEDULES
from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

CONFIG = WalkForwardConfig(
    start=0.5, hours=12, steps=3, anew=2, judged=60, history=2, examples=300, newest=100, themes=4, moment=64
)
BUDGET = FitConfig(epochs=1, patience=1, rates=(1e-2,))
SIZES = Sizes(width=8, recent=8, short=4, theme_ring=4)


def log_of(*, growing: bool) -> Dataset:
    """A population; if it grows, half of its items have another name in the first half of the log."""
    made = synthesize(SyntheticConfig(users=120, themes=4, items_per_theme=20, hop=0.6, days=8))
    if not growing:
        return made
    names = made.items["item_id"].to_list()
    older = dict(zip(names[::2], names[1::2], strict=True))
    early = pl.col("timestamp") < int(np.quantile(made.events["timestamp"].to_numpy(), CONFIG.start))
    item = pl.when(early).then(pl.col("item_id").replace(older)).otherwise(pl.col("item_id"))
    return replace(made, events=made.events.with_columns(item_id=item))


@pytest.mark.parametrize(
    ("growing", "words"),
    [(True, "were first clicked during the steps"), (False, "New items: none got 20 clicks during the steps.")],
)
def test_a_report_of_every_model_and_schedule(tmp_path: Path, growing: bool, words: str) -> None:
    log, store = log_of(growing=growing), Store(tmp_path)
    data = WalkForwardData(log.clicks, log.items, sessions=SessionConfig(), config=CONFIG, name="log")
    run_seed(data, 0, store, config=BUDGET, sizes=SIZES)
    report = write_walk_forward_report(store).read_text()
    assert report.startswith("# Walk-forward comparison")
    for name in COMPARED:
        for schedule in SCHEDULES:
            assert f"| {name}@{schedule} | 1 |" in report
    assert words in report
    assert "nan" not in report
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("record.json")}
    run_seed(data, 0, store, config=BUDGET, sizes=SIZES)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("record.json")} == before, "it was all there"
