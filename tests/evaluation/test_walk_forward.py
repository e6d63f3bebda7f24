"""Time goes on in steps, and nothing of a step is known before it is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from evaluation.protocol.candidates import Sizes
from evaluation.protocol.run import FitConfig
from evaluation.rivals.counting import COUNTING, count_cell
from evaluation.walk_forward.data import HOUR, Rolling, RollingConfig, knowing
from evaluation.walk_forward.models import ROLLED, SCHEDULES, roll
from evaluation.walk_forward.new_item_routing import routability
from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

CONFIG = RollingConfig(
    start=0.5, hours=12, steps=4, anew=2, judged=80, history=2, examples=400, newest=150, themes=4, moment=64
)
BUDGET = FitConfig(epochs=1, patience=1, rates=(1e-2,))
SIZES = Sizes(width=16, recent=12, short=4, theme_ring=6)


@pytest.fixture(scope="module")
def growing() -> Dataset:
    """Half of the items are new on the middle day: an item of the second half of a ring is renamed until then."""
    made = synthesize(SyntheticConfig(users=200, themes=4, items_per_theme=20, hop=0.6, days=8))
    begin = int(np.quantile(made.events["timestamp"].to_numpy(), CONFIG.start))
    young = made.items["item_id"].to_list()[::2]
    older = dict(zip(young, made.items["item_id"].to_list()[1::2], strict=True))
    early = pl.col("timestamp") < begin
    item = pl.when(early).then(pl.col("item_id").replace(older)).otherwise(pl.col("item_id"))
    return replace(made, events=made.events.with_columns(item_id=item))


def made(data: Dataset, config: RollingConfig = CONFIG) -> Rolling:
    return Rolling(data.clicks, data.items, sessions=SessionConfig(), config=config, name="growing")


@pytest.fixture(scope="module")
def rolling(growing: Dataset) -> Rolling:
    return made(growing)


def test_every_step_judges_its_own_hours(rolling: Rolling) -> None:
    times = rolling.frame["timestamp"].to_numpy()
    assert len(rolling.judged) == CONFIG.steps
    assert np.diff(rolling.borders).tolist() == [12 * HOUR] * CONFIG.steps
    for step, parts in enumerate(rolling.judged):
        assert parts
        at = np.concatenate([part.positions for part in parts])
        assert (times[at] >= rolling.borders[step]).all()
        assert (times[at] < rolling.borders[step + 1]).all()
        assert len(at) <= CONFIG.judged
    facts = rolling.facts()
    assert facts["step"].tolist() == sorted(facts["step"].tolist())
    assert 0.2 < facts["new"].mean() < 0.8


def test_what_is_learned_is_older_than_its_step(rolling: Rolling) -> None:
    times = rolling.frame["timestamp"].to_numpy()
    for step in (0, 2):
        train, validation = rolling.training(step)
        last = [max(times[part.positions].max() for part in parts) for parts in (train, validation)]
        assert last[0] <= last[1] < rolling.borders[step]
        assert rolling.past(0)["timestamp"].max() < times[train[0].positions].min() or step
    for step in (1, 2, 3):
        for part in rolling.news(step):
            assert rolling.borders[step - 1] <= times[part.positions].min()
            assert times[part.positions].max() < rolling.borders[step]
    assert rolling.known(1).sum() > rolling.known(0).sum()


def test_a_step_is_blind_for_what_follows_it(growing: Dataset, rolling: Rolling) -> None:
    """Items after the second step are dealt out anew: what is known and judged until then stays."""
    border = rolling.borders[2]
    late = pl.col("timestamp") >= border
    events = growing.events.with_columns(
        item_id=pl.when(late).then(pl.col("item_id").reverse()).otherwise(pl.col("item_id"))
    )
    other = made(replace(growing, events=events))
    assert other.routers[0].version == rolling.routers[0].version
    assert other.routers[2].version == rolling.routers[2].version
    names = [rolling.catalogue.items[row - 1] for part in rolling.judged[1] for row in part.targets]
    assert names == [other.catalogue.items[row - 1] for part in other.judged[1] for row in part.targets]
    for one, twin in zip(rolling.updated(), other.updated(), strict=True):
        seen = [item for item, known in zip(rolling.catalogue.items, one.known[1:], strict=True) if known]
        rows = {item: row for row, item in enumerate(other.catalogue.items, 1)}
        theirs = twin.table[[rows[item] for item in seen]]
        ours = one.table[1:][one.known[1:] > 0]
        torch.testing.assert_close(ours, theirs)
        if float(one.known.sum()) == float(rolling.known(2).sum()):
            break


def test_new_items_get_rows_and_old_ones_keep_theirs(rolling: Rolling) -> None:
    views = list(rolling.updated())
    first, last = views[0], views[-1]
    old = rolling.known(0)[1:] > 0
    assert torch.equal(first.table[1:][old], last.table[1:][old])
    assert np.array_equal(first.item_theme[1:][old], last.item_theme[1:][old])
    new = {name for name, _ in rolling.new_items()}
    at = [row for row, item in enumerate(rolling.catalogue.items, 1) if item in new]
    assert (first.table[at] != last.table[at]).any(1).float().mean() > 0.9
    assert [view.known.sum() for view in views] == sorted(view.known.sum() for view in views)


def test_schedules_differ_as_they_say(rolling: Rolling) -> None:
    cells = roll(rolling, 0, config=BUDGET, sizes=SIZES, on_progress=lambda step: None)
    assert set(cells) == {f"{name}@{schedule}" for name in ROLLED for schedule in SCHEDULES}
    counts = [sum(len(part.positions) for part in parts) for parts in rolling.judged]
    cuts = np.cumsum(counts)
    for name in ROLLED:
        frozen, updated, retrained = (cells[f"{name}@{schedule}"].scores.logits for schedule in SCHEDULES)
        assert len(frozen) == cuts[-1]
        np.testing.assert_array_equal(frozen[: cuts[0]], updated[: cuts[0]])
        np.testing.assert_array_equal(frozen[: cuts[1]], retrained[: cuts[1]])
        assert not np.array_equal(frozen[cuts[0] : cuts[1]], updated[cuts[0] : cuts[1]])
        assert not np.array_equal(frozen[cuts[1] :], retrained[cuts[1] :])
        assert cells[f"{name}@frozen"].scores.ranks.min() >= 1


def test_a_model_is_told_which_items_it_knows(rolling: Rolling) -> None:
    known = rolling.known(1)
    for before, after in zip(rolling.judged[0], knowing(rolling.judged[0], known), strict=True):
        assert torch.equal(after.features[:, 3], known)
        assert torch.equal(after.features[:, :3], before.features[:, :3])
        assert np.array_equal(after.negatives, before.negatives)


def test_those_who_count_take_part(rolling: Rolling) -> None:
    for make in COUNTING.values():
        scores = count_cell(make, rolling).scores
        assert len(scores.ranks) == len(rolling.facts()["user"])
        assert ((scores.ranks > 0) & (scores.ranks <= 10)).mean() > 0.1


def test_how_soon_new_items_can_be_routed(rolling: Rolling) -> None:
    found = routability(rolling)
    assert found.items > 10
    assert found.by_category == 1.0
    assert found.with_row > 0.9
    assert 0 <= found.minutes[0] <= found.minutes[1]
    assert 1 <= found.clicks[0] <= found.clicks[1]
    assert found.category_agrees > 0.9
    assert found.first_agrees > 0.7


@pytest.mark.parametrize(
    ("change", "words"),
    [({"steps": 100}, "the log ends before the last of 100 steps"), ({"history": 10_000}, "examples before step 0")],
)
def test_a_log_too_short_is_refused(growing: Dataset, change: dict[str, int], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        made(growing, replace(CONFIG, **change))
