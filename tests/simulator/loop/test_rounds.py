"""What is planted is exactly there, and nothing else differs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl
import pytest

from mos_online.arrays import Ints
from mos_online.errors import SettingsError
from simulator.loop.choice import ANY, NEXT, OWNED, SAME
from simulator.loop.config import HOUR, Arm, Drift, Habits, Relevance
from simulator.loop.crowd import Answered, Asked, Crowd
from simulator.loop.draws import Draws, uniform, uniforms
from simulator.loop.rounds import PerUser, run_rounds
from simulator.loop.world import NOWHERE, World
from simulator.population import Population, SyntheticConfig, populate

DAYS = 5 * 24 * HOUR
CONTROL, TREATED = Arm(name="control"), Arm(name="treated", effect=0.2)


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(SyntheticConfig(users=400, themes=6, items_per_theme=30, seed=2))


def crowd_of(population: Population, *, arms: list[Arm], habits: Habits, drift: Drift | None = None) -> Crowd:
    """Every user in every arm."""
    users = population.config.users
    return Crowd(
        population,
        World.of(population, drift, seed=5),
        habits,
        arms,
        users=np.tile(np.arange(users), len(arms)),
        arm=np.repeat(np.arange(len(arms)), users),
        length=10,
        seed=5,
    )


def test_draws_do_not_depend_on_who_else_asks() -> None:
    users, numbers = np.arange(5000), np.arange(5000) % 7
    keys = Draws(3).keys(users, numbers)
    assert (Draws(3).keys(users[[17]], numbers[[17]]) == keys[17]).all()
    assert len(set(keys.tolist())) == 5000
    assert not (Draws(4).keys(users, numbers) == keys).any()


def test_draws_are_uniform_and_independent() -> None:
    keys = Draws(0).keys(np.arange(40_000), np.zeros(40_000, np.int64))
    columns = np.column_stack([uniforms(keys, 1, 5), uniforms(keys, 2, 2), uniform(keys, 1), uniform(keys, 2)])
    assert columns.min() >= 0
    assert columns.max() < 1
    assert np.abs(columns.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(columns.var(axis=0) - 1 / 12).max() < 0.002
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 0.025
    assert np.abs(np.corrcoef(columns[1:, 0], columns[:-1, 0])[0, 1]) < 0.025


def test_users_of_two_arms_want_the_same_and_the_effect_is_exact(population: Population) -> None:
    """Lists, times and visits differ between the arms, and still request n of a user wants what it wants."""
    wanted: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    crowd = crowd_of(population, arms=[CONTROL, TREATED], habits=Habits())
    rng, users = np.random.default_rng(0), population.config.users
    strengths = np.zeros((2, users))
    for _ in range(12):
        asked = crowd.ask(np.arange(2 * users))
        for user, number, ring, position in zip(asked.users, asked.numbers, asked.ring, asked.position, strict=True):
            wanted[user, number].append((ring, position))
        strengths[crowd.arm, asked.users] = crowd.strength(asked)
        np.testing.assert_allclose(strengths[1], 1.2 * strengths[0], rtol=1e-12)
        crowd.answer(asked, rng.integers(0, 180, (2 * users, 10)))
    assert {len(set(pair)) for pair in wanted.values()} == {1}
    assert not np.array_equal(crowd.next[:users], crowd.next[users:])


def test_with_the_same_lists_who_clicks_without_the_effect_clicks_with_it(population: Population) -> None:
    seen: dict[tuple[int, int, int], tuple[Ints, Ints]] = {}

    def watch(asked: Asked, lists: Ints, answered: Answered) -> None:
        for row, (user, number) in enumerate(zip(asked.users, asked.numbers, strict=True)):
            arm = int(asked.rows[row] >= population.config.users)
            seen[user, number, arm] = (lists[row], answered.clicks[row])

    run_rounds(population, habits=Habits(), arms=[CONTROL, TREATED], duration=DAYS, paired=True, watch=watch)
    more = 0
    for (user, number, arm), (lists, clicks) in seen.items():
        other = seen.get((user, number, 1))
        if arm == 0 and other is not None and np.array_equal(lists, other[0]):
            assert (other[1] >= clicks).all()
            more += int(other[1].sum() - clicks.sum())
    assert more > 20


def test_arms_without_an_effect_are_equal(population: Population) -> None:
    arms = [CONTROL, Arm(name="same")]
    done = run_rounds(population, habits=Habits(), arms=arms, duration=DAYS, paired=True, drift=Drift(at=DAYS // 2))
    for name in ("requests", "clicks", "found", "ndcg", "begun"):
        column = getattr(done, name)
        assert np.array_equal(column[done.arm == 0], column[done.arm == 1]), name


def test_an_effect_fades_with_its_novelty(population: Population) -> None:
    arms = [CONTROL, Arm(name="new", effect=0.2, novelty=DAYS // 10)]
    crowd = crowd_of(population, arms=arms, habits=Habits())
    rows = np.arange(800)
    crowd.answer(crowd.ask(rows), np.zeros((800, 10), np.int64))
    crowd.next[:] = crowd.begun + DAYS // 10
    strength = crowd.strength(crowd.ask(rows))
    np.testing.assert_allclose(strength[400:], 1.1 * strength[:400], rtol=1e-9)


def test_lost_exposures_spoil_the_ratio_of_one_arm_only() -> None:
    population = populate(SyntheticConfig(users=20_000, sessions_per_user=1))
    arms = [CONTROL, Arm(name="leaky", lost=0.02)]
    done = run_rounds(population, habits=Habits(), arms=arms, duration=6 * HOUR)
    came = done.begun >= 0
    assert done.exposed[came & (done.arm == 0)].all()
    assert done.exposed[came & (done.arm == 1)].mean() == pytest.approx(0.98, abs=0.006)
    assert (done.arm == 1).mean() == pytest.approx(0.5, abs=0.015)


def ndcg_before_and_after(population: Population, drift: Drift | None) -> tuple[float, float]:
    sums: dict[bool, list[float]] = {False: [], True: []}

    def watch(asked: Asked, lists: Ints, answered: Answered) -> None:
        for late in (False, True):
            sums[late] += answered.ndcg[(asked.times >= DAYS // 2) == late].tolist()

    run_rounds(population, habits=Habits(), arms=[CONTROL], duration=DAYS, drift=drift, watch=watch)
    return float(np.mean(sums[False])), float(np.mean(sums[True]))


def test_a_drift_begins_at_its_moment_and_costs_quality(population: Population) -> None:
    quiet, drifted = (ndcg_before_and_after(population, drift) for drift in (None, Drift(at=DAYS // 2)))
    assert drifted[0] == quiet[0]
    assert drifted[1] < 0.8 * quiet[1]
    assert quiet[1] > quiet[0]  # the ranker has seen more


def test_the_world_after_a_drift_has_an_item_in_each_place(population: Population) -> None:
    world = World.of(population, Drift(at=0, moved=0.3, replaced=0.2, trend=0.5), seed=1)
    before, after = world.before.items, world.after.items
    assert len(np.unique(after)) == after.size == 180
    assert len(world.names) == len(set(world.names)) == 180 + 36
    assert (after >= 180).sum() == 36
    assert (after != before).sum() == pytest.approx(180 * (0.3 + 0.2 - 0.06), abs=12)
    gone = np.setdiff1d(before, after)
    assert set(world.after.ring[gone]) == {NOWHERE}
    assert (world.after.choices != world.before.choices).any(axis=1).sum() > 20
    assert (world.after.owned.sum(axis=1) == population.config.themes_per_user).all()


def test_a_simulation_goes_on_where_the_log_ends() -> None:
    population = populate(SyntheticConfig(users=50, noise=0.0))
    last = population.dataset.events.group_by("user_id", maintain_order=True).agg(pl.col("item_id").last())
    rows = {item: row for row, item in enumerate(population.dataset.items["item_id"])}
    items = population.config.items_per_theme
    for user, item in last.sort("user_id").iter_rows():
        number, row = int(user[1:]), rows[item]
        assert population.ring[number] == row // items
        assert population.position[number, row // items] == row % items
    assert (population.owned == population.ring[:, None]).any(axis=1).all()


def test_kinds_are_what_a_user_wants(population: Population) -> None:
    crowd = crowd_of(population, arms=[CONTROL], habits=Habits(), drift=Drift(at=10**9))
    asked = crowd.ask(np.array([0]))
    ring, position, items = int(asked.ring[0]), int(asked.position[0]), 30
    owned = [other for other in population.owned[0] if other != ring]
    strange = next(other for other in range(6) if other not in population.owned[0])
    places = [(ring, 1), (ring, 3), (ring, 4), (ring, 0), (owned[0], 1), (strange, 1)]
    lists = np.array([[ring * items + (position + ahead) % items for ring, ahead in places] + [185] * 4])
    assert crowd.kinds(asked, lists)[0].tolist() == [NEXT, NEXT, SAME, SAME, OWNED, ANY, *[ANY] * 4]
    best = [ring * items + (position + ahead) % items for ahead in range(1, 11)]
    assert crowd.choice.ndcg(crowd.kinds(asked, np.array([best])))[0] == pytest.approx(1.0)


@pytest.mark.parametrize("clicks", ["position", "cascade"])
def test_clicks_fall_with_the_place(population: Population, clicks: Literal["position", "cascade"]) -> None:
    """All items equally relevant: by position the click-through is theta, in a cascade one item at most is clicked."""
    same = Relevance(next=0.4, same=0.4, owned=0.4, any=0.4)
    habits = replace(Habits(relevance=same, appetite=0.0), clicks=clicks)
    crowd = crowd_of(population, arms=[CONTROL] * 1, habits=habits)
    clicked, rows = np.zeros(10), np.arange(400)
    for _ in range(60):
        answered = crowd.answer(crowd.ask(rows), np.zeros((400, 10), np.int64))
        clicked += answered.clicks.sum(axis=0)
        assert clicks == "position" or answered.clicks.sum(axis=1).max() <= 1
    places = np.arange(1, 11)
    expected = 0.4 * (places**-0.7 if clicks == "position" else (0.85 * 0.6) ** (places - 1))
    np.testing.assert_allclose(clicked / 24_000, expected, atol=0.012)
    asked = crowd.ask(rows)
    mean = crowd.choice.expected(crowd.kinds(asked, np.zeros((400, 10), np.int64)), crowd.strength(asked))
    np.testing.assert_allclose(mean, expected.sum(), rtol=1e-5)


def test_users_leave_after_two_empty_lists_and_return_sooner_after_a_click(population: Population) -> None:
    habits = Habits(requests_per_visit=1000, sooner=0.5, absence=HOUR)
    crowd = crowd_of(population, arms=[CONTROL], habits=habits)
    rows, useless = np.arange(400), np.full((400, 10), 0)
    one = crowd.answer(crowd.ask(rows), useless)
    stayed = rows[~one.clicks.any(axis=1) & ~one.left]
    two = crowd.answer(crowd.ask(stayed), useless[stayed])
    empty = ~two.clicks.any(axis=1)
    assert len(stayed) > 300
    assert two.left[empty].all()
    assert two.left[~empty].mean() < 0.1

    def mean_absence(sooner: float) -> float:
        done = run_rounds(population, habits=replace(habits, sooner=sooner), arms=[CONTROL], duration=DAYS)
        return float(done.requests.mean())

    assert mean_absence(0.9) > 1.1 * mean_absence(0.0)


def test_a_user_without_a_list_finds_the_next_item_of_their_ring(population: Population) -> None:
    crowd = crowd_of(population, arms=[CONTROL], habits=Habits(organic=1.0, noise=0.0))
    asked = crowd.ask(np.arange(400))
    found = crowd.answer(asked, np.zeros((400, 10), np.int64)).found
    ahead = (found % 30 - asked.position) % 30
    assert (found // 30 == asked.ring).all()
    assert set(ahead.tolist()) == {1, 2, 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": []}, "at least one"),
        ({"arms": [CONTROL, CONTROL]}, "a name of its own"),
        ({"length": 31}, "1 to 30"),
        ({"arms": [Arm(name="big", effect=2.0)]}, "at most 1.22 is exact"),
    ],
)
def test_what_cannot_be_simulated_is_refused(population: Population, change: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        run_rounds(population, **({"habits": Habits(), "arms": [CONTROL], "duration": HOUR} | change))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_users() -> None:
    population = populate(SyntheticConfig(users=100))

    def clicks(seed: int) -> PerUser:
        return run_rounds(population, habits=Habits(), arms=[CONTROL], duration=DAYS, seed=seed)

    assert np.array_equal(clicks(1).clicks, clicks(1).clicks)
    assert not np.array_equal(clicks(1).clicks, clicks(2).clicks)


def test_values_out_of_range_are_named() -> None:
    with pytest.raises(SettingsError, match="hop is 2, must be between 0 and 1"):
        Habits(hop=2)
    with pytest.raises(SettingsError, match="drift moved is -1"):
        Drift(at=0, moved=-1)
    with pytest.raises(SettingsError, match="effect of a is -2"):
        Arm(name="a", effect=-2)
