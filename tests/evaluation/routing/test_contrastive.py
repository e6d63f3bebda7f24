"""The contrastive table: planted themes are found, days are not, and nothing but the seed is random."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.routing.contrastive import ContrastiveConfig, _batches, _halves, _unit_means, contrastive_table
from mos_online.errors import ModelError
from mos_online.metrics.agreement import mutual_information
from mos_online.themes import RouterConfig, TableConfig, router_from_table
from simulator.population import SyntheticConfig, synthesize

SMALL = TableConfig(dimensions=4, min_sessions=2)
QUICK = ContrastiveConfig(batch=64, steps=150)


def frame(sessions: list[list[str]]) -> pl.DataFrame:
    rows = [(f"s{number}", item) for number, items in enumerate(sessions) for item in items]
    return pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row")


def planted(rng: np.random.Generator, groups: str, sessions: int, size: int = 10) -> list[list[str]]:
    """Sessions of three items of one group each."""
    picked = rng.integers(len(groups), size=sessions)
    return [[f"{groups[group]}{n}" for n in rng.choice(size, 3, replace=False)] for group in picked]


def test_planted_themes_are_recovered_on_unseen_sessions() -> None:
    themes = 8
    made = synthesize(SyntheticConfig(users=400, themes=themes, items_per_theme=30, noise=0.1))
    half = len(made.events) // 2
    old, new = made.events.head(half), made.events.tail(len(made.events) - half)
    names, table = contrastive_table(old, TableConfig(), ContrastiveConfig(batch=256, steps=600))
    router = router_from_table(names, table, old, made.items, RouterConfig(themes=themes))
    category = dict(zip(made.items["item_id"], made.items["category"], strict=True))
    found, true = [], []
    for items in new.group_by("session_id").agg("item_id")["item_id"].head(1500).to_list():
        if len(items) >= 2:
            kinds, counts = np.unique([category[item] for item in items], return_counts=True)
            found += router.session_themes(items, [None] * len(items), [len(items)])
            true.append(str(kinds[counts.argmax()]))
    assert mutual_information(found, true) >= 0.9


def test_items_of_one_group_are_near_and_of_two_are_not() -> None:
    items, table = contrastive_table(frame(planted(np.random.default_rng(0), "abc", 600)), SMALL, QUICK)
    cosines = table @ table.T
    group = np.array([item[0] for item in items])
    same = group[:, None] == group
    inside, across = cosines[same & ~np.eye(len(items), dtype=bool)].mean(), cosines[~same].mean()
    assert inside > 0.8
    assert across < 0.2
    assert items == sorted(f"{group}{n}" for group in "abc" for n in range(10))
    assert table.dtype == np.float32
    assert np.linalg.norm(table, axis=1) == pytest.approx(1, abs=1e-5)


def test_items_of_one_day_do_not_attract_each_other_for_living_on_that_day() -> None:
    """Two topics; every day has its own items. A session has two clicks of its topic and two of anything of the day."""
    rng = np.random.default_rng(1)
    sessions = []
    for day, _ in itertools.product("0123", range(300)):
        topic = "ab"[rng.integers(2)]
        told = [f"{day}{topic}{n}" for n in rng.choice(6, 2, replace=False)]
        sessions.append(told + [f"{day}{'ab'[rng.integers(2)]}{rng.integers(6)}" for _ in range(2)])

    def pull_of_the_day(slice_sessions: int) -> float:
        """How much nearer items are that share their day only than those that share nothing."""
        config = TableConfig(dimensions=8, min_sessions=2, slice_sessions=slice_sessions)
        items, table = contrastive_table(frame(sessions), config, QUICK)
        pairs = [(x @ y, a[0] == b[0]) for (a, x), (b, y) in itertools.combinations(zip(items, table, strict=True), 2)
                 if a[1] != b[1]]  # fmt: skip
        return float(np.mean([c for c, same in pairs if same]) - np.mean([c for c, same in pairs if not same]))

    assert pull_of_the_day(300) < pull_of_the_day(10**9) - 0.4


def test_a_seed_gives_the_same_table_again_and_leaves_torch_alone() -> None:
    events = frame(planted(np.random.default_rng(2), "ab", 200))
    state = torch.random.get_rng_state()
    items, table = contrastive_table(events, SMALL, QUICK)
    again, same = contrastive_table(events, SMALL, QUICK)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert again == items
    assert np.array_equal(same, table)
    other = TableConfig(dimensions=4, min_sessions=2, seed=1)
    assert not np.array_equal(contrastive_table(events, other, QUICK)[1], table)


def test_an_item_that_only_meets_rare_ones_gets_no_row() -> None:
    sessions = [*planted(np.random.default_rng(3), "ab", 200), ["lonely", "rare1"], ["lonely", "rare2"]]
    items, table = contrastive_table(frame(sessions), SMALL, QUICK)
    assert set(items) == {f"{group}{n}" for group in "ab" for n in range(10)}
    assert len(table) == len(items)


def test_too_few_items_or_sessions() -> None:
    with pytest.raises(ModelError, match="this log has 10"):
        contrastive_table(frame(planted(np.random.default_rng(4), "a", 50)), TableConfig(dimensions=16))
    one = TableConfig(dimensions=4, min_sessions=1)
    with pytest.raises(ModelError, match="needs 2 sessions"):
        contrastive_table(frame([[f"i{n}" for n in range(9)]]), one)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(2, 7), min_size=1, max_size=6), st.data())
def test_halves_part_the_items_of_each_session(seed: int, sizes: list[int], data: st.DataObject) -> None:
    batch = np.array(data.draw(st.permutations(range(len(sizes)))))
    starts = np.cumsum(sizes) - sizes
    rows = np.arange(100, 100 + sum(sizes))
    items, half = _halves(rows, starts[batch], np.array(sizes)[batch], np.random.default_rng(seed))
    for at, session in enumerate(batch):
        first, second = items[half == 2 * at], items[half == 2 * at + 1]
        assert sorted([*first, *second]) == rows[starts[session] :][: sizes[session]].tolist()
        assert len(first) - len(second) in (0, 1)


def test_halves_are_dealt_anew() -> None:
    rng = np.random.default_rng(5)
    dealt = [_halves(np.arange(4), np.array([0]), np.array([4]), rng) for _ in range(200)]
    firsts = {tuple(sorted(items[half == 0].tolist())) for items, half in dealt}
    assert len(firsts) == 6  # every way to take two of four


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4))
def test_an_epoch_takes_every_session_once_and_no_batch_leaves_its_slice(sessions: int, size: int, slices: int) -> None:
    slices = min(slices, sessions)
    parts = np.array_split(np.arange(sessions), slices)
    slice_of = np.repeat(np.arange(slices), [len(part) for part in parts])
    batches = _batches(sessions, size, slices, np.random.default_rng(0))
    taken: list[int] = []
    while len(taken) < sessions:
        batch = next(batches)
        assert 1 <= len(batch) <= size
        assert len(set(slice_of[batch])) == 1
        taken += batch.tolist()
    assert sorted(taken) == list(range(sessions))


def test_the_mean_is_of_unit_vectors() -> None:
    vectors = torch.tensor([[3.0, 0.0], [0.0, 5.0], [-2.0, 0.0]])
    means = _unit_means(vectors, torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), 2)
    assert means.tolist() == [pytest.approx([0.5**0.5, 0.5**0.5]), pytest.approx([-1, 0])]
