"""A revision follows what sessions do now, and is a function of the base and the sessions alone."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.metrics.agreement import mutual_information
from mos_online.themes import Router, load_router, save_router
from mos_online.themes.gate import judge
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.visits import Visit, VisitWindow, laid_out, visit_of
from simulator.population import SyntheticConfig
from tests.themes.drifted_sessions import Drifted, drifted
from tests.themes.test_router_properties import NAMES, ROUTER, session

CONFIG = RevisionConfig()
SMALL = SyntheticConfig(users=500, themes=4, themes_per_user=2, sessions_per_user=15, seed=1)


@pytest.fixture(scope="module")
def log() -> Drifted:
    return drifted(SMALL, fitted=2000, quiet=2000)


def drawn(seed: int, count: int) -> list[Visit]:
    """Sessions without structure, whose watermarks often are equal."""
    rng = Random(seed)
    made = []
    for number in range(count):
        items = tuple(rng.choices([*NAMES[:30], "new", "newer"], k=rng.randint(0, 6)))
        kinds = tuple(rng.choice([None, "red"]) for _ in items)
        made.append(Visit(rng.randrange(count // 3), f"s{number}", f"u{number % 7}", items, kinds))
    return made


def content(router: Router) -> tuple[str, float, list[str], dict[str, bytes]]:
    tensors = {name: rows.tobytes() for name, rows in router.tensors().items()}
    return router.version, router.tau, router.items, tensors


def agreement(router: Router, visits: list[Visit], true: list[str]) -> float:
    return mutual_information(router.session_themes(*laid_out(visits)), true)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), size=st.integers(5, 40), repeats=st.integers(0, 10), batch=st.integers(1, 20))
def test_the_order_of_arrival_changes_nothing(seed: int, size: int, repeats: int, batch: int) -> None:
    visits = drawn(seed, 30)
    arrived = [*visits, *Random(seed).choices(visits, k=repeats)]
    Random(seed).shuffle(arrived)
    window, in_order = VisitWindow(size), VisitWindow(size)
    for start in range(0, len(arrived), batch):
        window.add(arrived[start : start + batch])
    assert in_order.add(sorted(visits)) == len(visits)
    assert window.up_to() == in_order.up_to() == sorted(visits)[-size:]
    one, other = (revise(ROUTER, held.up_to(), CONFIG, sequence=3) for held in (window, in_order))
    assert content(one) == content(other)


def test_a_window_is_read_up_to_a_place() -> None:
    visits = sorted(drawn(0, 30))
    window = VisitWindow(100)
    window.add(visits)
    for number, visit in enumerate(visits):
        assert window.up_to(visit.place) == visits[: number + 1]
    assert window.up_to((-1, "")) == []


def test_a_drift_of_items_is_regained(log: Drifted) -> None:
    """After 2,000 sessions, also where the revisions before the drift have learned the opposite for long."""
    unseen, true = log.late[2000:], log.true[2000:]
    assert len(unseen) > 500
    before = agreement(log.router, log.quiet, log.quiet_true)
    lost = before - agreement(log.router, unseen, true)
    assert lost > 0.2, "without a drift there is nothing to regain"
    for known in ([], log.quiet):
        revision = revise(log.router, [*known, *log.late[:2000]], CONFIG, sequence=1)
        assert before - agreement(revision, unseen, true) <= 0.05 * lost


def test_moving_the_prototypes_alone_would_not_do(log: Drifted) -> None:
    revision = revise(log.router, log.late[:2000], CONFIG, sequence=1)
    alone = log.router.revised([], np.zeros((0, 16)), prototypes=revision.prototypes, tau=revision.tau, sequence=1)
    unseen, true = log.late[2000:], log.true[2000:]
    assert agreement(alone, unseen, true) < 0.8 * agreement(revision, unseen, true)


def test_quiet_sessions_move_little(log: Drifted) -> None:
    first = revise(log.router, log.quiet[:1000], CONFIG, sequence=1)
    second = revise(log.router, log.quiet, CONFIG, sequence=2)
    judgement = judge(log.router, first, second, log.quiet, CONFIG, GateConfig())
    assert judgement.refused == []
    assert judgement.moved < 0.03


def test_a_revision_keeps_epoch_labels_and_what_the_sessions_do_not_hold(log: Drifted) -> None:
    revision = revise(log.router, log.late[:50], CONFIG, sequence=7)
    assert (revision.epoch, revision.sequence, log.router.sequence) == (log.router.version, 7, 0)
    assert revision.version != log.router.version
    assert revision.labels == log.router.labels
    seen = {item for visit in log.late[:50] for item in visit.items}
    absent = [item for item in log.router.items if item not in seen]
    assert absent
    nothing = [None] * len(absent)
    assert np.array_equal(revision.vectors(absent, nothing), log.router.vectors(absent, nothing))


def test_a_new_item_gets_a_row_once_it_has_met_enough(log: Drifted) -> None:
    theme = log.router.item_theme(log.router.items[0])
    alike = [item for item in log.router.items if log.router.item_theme(item) == theme][:4]
    for count in (1, 2, 3, 4):
        visits = [Visit(n, f"s{n}", "u", ("fresh", item), (None, None)) for n, item in enumerate(alike[:count])]
        revision = revise(log.router, visits, CONFIG, sequence=1)
        assert revision.has_row("fresh") == (count >= CONFIG.least)
    assert revision.item_theme("fresh") == theme
    strangers = [Visit(n, f"s{n}", "u", ("fresh", "fresher"), (None, None)) for n in range(9)]
    assert not revise(log.router, strangers, CONFIG, sequence=1).has_row("fresher"), "new items do not teach each other"


def test_a_new_item_begins_with_its_category() -> None:
    red = [item for item in NAMES if ROUTER.item_theme(item) != ROUTER.item_theme("x", "red")][:3]
    visits = [Visit(n, f"s{n}", "u", ("fresh", item), ("red", None)) for n, item in enumerate(red)]
    strong = revise(ROUTER, visits, RevisionConfig(prior=1e6), sequence=1)
    assert np.allclose(strong.vectors(["fresh"], [None]), ROUTER.vectors(["x"], ["red"]), atol=1e-3)


def test_no_session_that_can_be_placed_changes_nothing() -> None:
    for visits in ([], [Visit(1, "s", "u", (), ())], [Visit(1, "s", "u", ("unknown",), (None,))]):
        assert revise(ROUTER, visits, CONFIG, sequence=1).version == ROUTER.version


def test_a_session_is_read_as_the_router_routes_it() -> None:
    visit = visit_of(session([NAMES[0], NAMES[1], NAMES[0]], "red", end=True))
    assert (visit.items, visit.categories) == ((NAMES[0], NAMES[1], NAMES[0]), ("red",) * 3)
    assert visit.place == (9, "s")


def test_a_stored_revision_is_the_same_and_knows_its_epoch(tmp_path: Path, log: Drifted) -> None:
    revision = revise(log.router, log.late[:500], CONFIG, sequence=4)
    save_router(revision, tmp_path)
    loaded = load_router(tmp_path)
    assert content(loaded) == content(revision)
    assert (loaded.epoch, loaded.sequence) == (revision.epoch, 4)
