"""A revision that would do harm is refused, in words."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from mos_online.themes import Router, RouterConfig
from mos_online.themes.gate import Judgement, judge
from mos_online.themes.item_likelihood import likelihoods
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.visits import Visit

THEMES, EACH = 4, 5
LIMITS, CONFIG = GateConfig(), RevisionConfig()
NO_ROWS = np.zeros((0, THEMES))


def router(prototypes: np.ndarray | None = None, tau: float = 0.3) -> Router:
    """Items ``k-0`` to ``k-4`` point where theme k does."""
    names = [f"{theme}-{number}" for theme in range(THEMES) for number in range(EACH)]
    return Router(
        items=names,
        table=np.repeat(np.eye(THEMES, dtype=np.float32), EACH, 0),
        prototypes=np.eye(THEMES, dtype=np.float32) if prototypes is None else prototypes.astype(np.float32),
        category_rows=[],
        category_table=NO_ROWS.astype(np.float32),
        categories={},
        tau=tau,
        labels=["unrouted", *map(str, range(THEMES))],
        config={},
    )


def visits(count: int = 400, themes: int = THEMES) -> list[Visit]:
    rng = Random(0)
    made = []
    for number in range(count):
        items = tuple(f"{number % themes}-{rng.randrange(EACH)}" for _ in range(3))
        made.append(Visit(number, f"s{number}", f"u{number % 50}", items, (None,) * 3))
    return made


BASE = router()


def of(revision: Router, seen: list[Visit] | None = None, limits: GateConfig = LIMITS) -> Judgement:
    return judge(BASE, BASE, revision, seen or visits(), CONFIG, limits)


def moved(prototypes: np.ndarray, tau: float = 0.3) -> Router:
    return BASE.revised([], NO_ROWS, prototypes=prototypes, tau=tau, sequence=1)


def test_a_revision_of_the_same_kind_passes() -> None:
    judgement = of(revise(BASE, visits(), CONFIG, sequence=1))
    assert judgement.refused == []
    assert (judgement.sessions, judgement.moved, judgement.unrouted) == (400, 0, 0)
    assert (judgement.least, judgement.most) == (0.25, 0.25)


def test_themes_that_trade_places_are_a_new_epoch() -> None:
    (reason,) = of(moved(np.eye(THEMES)[[1, 0, 3, 2]])).refused
    assert "100.0% of the sessions would change their theme" in reason
    assert "new epoch" in reason


def test_many_may_move_only_if_the_newest_sessions_prove_it_better() -> None:
    half = moved(np.eye(THEMES)[[1, 0, 2, 3]])
    (reason,) = of(half, limits=replace(LIMITS, most_moved_proven=0.6)).refused
    assert "50.0% of the sessions would change their theme" in reason
    assert "prove" in reason


def test_a_drift_that_the_newest_sessions_prove_passes_although_many_move() -> None:
    """One item in five now goes with those of another theme."""
    rng = Random(1)
    late = []
    for number in range(600):
        theme = number % THEMES
        names = [f"{theme}-{k}" for k in range(4)] + [f"{(theme + 1) % THEMES}-4"]
        late.append(Visit(number, f"s{number}", f"u{number % 50}", tuple(rng.choices(names, k=3)), (None,) * 3))
    few = replace(LIMITS, most_moved=0.05)
    judgement = of(revise(BASE, late, CONFIG, sequence=1), late, few)
    assert 0.05 < judgement.moved < 0.35
    assert judgement.gain_low > 0
    assert judgement.refused == []
    strict = of(revise(BASE, late, CONFIG, sequence=1), late, replace(LIMITS, most_moved=0.01, most_moved_proven=0.05))
    assert strict.refused


def test_a_theme_that_takes_all_or_nothing_is_refused() -> None:
    prototypes = np.eye(THEMES)
    prototypes[0] = np.array([1, 1, 1, 1]) / 2
    prototypes[1:] = -prototypes[1:]
    loose = replace(LIMITS, most_moved_proven=1.0, most_moved=1.0, most_share=3.0)
    reasons = " and ".join(of(moved(prototypes, tau=-1), limits=loose).refused)
    assert "theme 1 would have 100.0% of the sessions, at most 75.0%" in reasons
    assert "would have 0.0% of the sessions, at least 6.2%" in reasons


def test_an_imbalance_that_is_there_already_does_not_stop_revisions_for_ever() -> None:
    few = visits(themes=2)
    judgement = judge(BASE, BASE, revise(BASE, few, CONFIG, sequence=1), few, CONFIG, LIMITS)
    assert (judgement.least, judgement.refused) == (0.0, [])


def test_prototypes_that_have_come_together_are_refused() -> None:
    near = np.eye(THEMES) + 1.0
    reasons = of(moved(near / np.linalg.norm(near, axis=1, keepdims=True))).refused
    assert any("mean cosine of 0.86" in reason for reason in reasons)


def test_a_threshold_that_leaves_sessions_without_a_theme_is_refused() -> None:
    mixed = [
        Visit(number, f"s{number}", f"u{number}", (f"{number % 4}-0", f"{(number + 1) % 4}-0"), (None, None))
        for number in range(40)
    ]
    reasons = of(moved(np.eye(THEMES), tau=0.9), [*visits(), *mixed], replace(LIMITS, most_moved=0.5)).refused
    assert any("9.1% of the sessions would have no theme; 4.0% is the most" in reason for reason in reasons)
    assert RouterConfig.unrouted_share * LIMITS.most_unrouted == pytest.approx(0.04)


def test_items_are_likelier_under_themes_that_tell_them_apart() -> None:
    seen = visits()
    true = np.arange(len(seen)) % THEMES + 1
    told, blurred = likelihoods(true, seen, THEMES), likelihoods(np.ones_like(true), seen, THEMES)
    assert told.shape == blurred.shape == (40,)
    assert told.mean() > blurred.mean() + 0.5
    assert blurred.mean() == pytest.approx(np.log(1 / (THEMES * EACH)), abs=0.05)
