"""Scores become click probabilities that are right, theme by theme, and follow a change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.learning.calibration import FIRST_FIT, Calibration
from mos_online.learning.cells import Cell, log_odds, sigmoid
from mos_online.learning.learner import shown_of
from mos_online.learning.score_map import POSITIONS, Curve, ScoreBins
from tests.learning.outcome_streams import Chance, outcomes, usual

PROBABILITIES = st.floats(0.01, 0.99)


def learned(answers: int, *, chance: Chance = usual, seed: int = 0) -> Calibration:
    calibration = Calibration()
    for one in outcomes(answers, chance=chance, seed=seed):
        for shown in shown_of(one):
            calibration.learn(shown)
    return calibration


@settings(max_examples=30, deadline=None)
@given(PROBABILITIES, st.floats(-1.5, 1.5))
def test_a_cell_finds_the_planted_offset(p: float, planted: float) -> None:
    cell, clicked, owed = Cell(), sigmoid(log_odds(p) + planted), 0.0
    for _ in range(3000):
        owed += clicked
        cell.add(p, clicked=owed >= 1)
        owed -= owed >= 1

    assert cell.offset(prior=0) == pytest.approx(planted, abs=0.1 + 0.01 / min(clicked, 1 - clicked))
    assert abs(cell.offset()) <= abs(cell.offset(prior=0)) + 1e-9
    assert Cell().offset() == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(PROBABILITIES, st.booleans()), max_size=20), st.integers(0, 20))
def test_cells_add_up(impressions: list[tuple[float, bool]], cut: int) -> None:
    first, second, empty = Cell(), Cell(), Cell()
    for number, (p, clicked) in enumerate(impressions):
        (first if number < cut else second).add(p, clicked=clicked)

    assert first.plus(second) == second.plus(first)
    assert first.plus(empty) == first
    assert first.plus(second).clicks == pytest.approx(first.clicks + second.clicks)


def test_the_curve_is_the_one_that_was_planted() -> None:
    curve = learned(6_400).curve
    assert curve is not None

    assert curve.intercept == pytest.approx(-0.5, abs=0.15)
    assert curve.slope == pytest.approx(0.6, abs=0.06)
    for position in range(1, POSITIONS):
        assert curve.positions[position - 1] == pytest.approx(-0.7 * math.log1p(position), abs=0.35)
    assert curve.p(-3.0, 500) == curve.p(-3.0, POSITIONS)


def test_a_curve_of_few_clicks_is_a_number_everywhere() -> None:
    bins = ScoreBins()
    for x in (0.0, 5.0, -1e9, math.log(1e-300)):
        bins.add(x, 3, clicked=True)
    curve = bins.fit()

    assert all(0 < curve.p(x, position) < 1 for x in (-1e300, 1e300) for position in (0, 99))


def test_nothing_is_known_before_the_first_fit_and_the_scores_of_answers_are_compared_by_their_levels() -> None:
    shown = [one for answer in outcomes(FIRST_FIT // 10) for one in shown_of(answer)]
    calibration = Calibration()
    for one in shown[:-1]:
        calibration.learn(one)
    assert calibration.p(shown[-1]) is None
    calibration.learn(shown[-1])

    assert calibration.p(shown[-1]) is not None
    assert max(one.x for one in shown) <= 1e-9


def test_cells_follow_a_theme_that_is_clicked_more_and_leave_the_others() -> None:
    calibration = learned(4_000, chance=lambda n, theme: 0.8 if n > 20_000 and theme == 2 else 0.0)
    offsets = calibration.offsets()

    others = [offsets[theme] for theme in (1, 3, 4)]  # a later fit of the curve may have moved all of them
    assert offsets[2] - sum(others) / 3 == pytest.approx(0.6, abs=0.2)
    assert max(others) - min(others) < 0.4


def test_what_is_forgotten_is_one_theme_or_all() -> None:
    calibration = learned(1_000)
    before = {theme: cell.impressions for theme, cell in calibration.cells.items()}
    calibration.forget(0.25, theme=3)
    assert {theme: cell.impressions for theme, cell in calibration.cells.items()} == before | {3: before[3] / 4}
    calibration.forget(0.5, theme=None)
    assert calibration.cells[1].impressions == before[1] / 2


def test_a_new_curve_leaves_what_is_expected_in_all() -> None:
    """Cells are counted against a curve: with another one, curve and cell together still say what was clicked."""
    rng = np.random.default_rng(1)
    old = Curve(intercept=-2.0, slope=0.3, positions=[0.0] * POSITIONS)
    new = Curve(intercept=-1.9, slope=0.35, positions=[0.0] * POSITIONS)
    bins, cell, against_new, xs = ScoreBins(), Cell(), Cell(), -rng.gamma(3, 0.8, 3000)
    for x in xs.tolist():
        clicked = bool(rng.random() < sigmoid(old.log_odds(x, 0) + 0.5))
        bins.add(x, 0, clicked=clicked)
        cell.add(old.p(x, 0), clicked=clicked)
        against_new.add(new.p(x, 0), clicked=clicked)
    cell.rebase(bins.mean_change(old, new))

    assert cell.expected == pytest.approx(against_new.expected, rel=0.01)
    assert cell.offset() == pytest.approx(against_new.offset(), abs=0.02)
