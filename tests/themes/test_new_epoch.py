"""A new epoch: fitted on what happens now, in the old basis, with nothing lost that was learned before."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from mos_online.errors import ModelError
from mos_online.themes import Router, RouterConfig, TableConfig, fit_router
from mos_online.themes.new_epoch import events_of, new_epoch
from mos_online.themes.revision_config import GateConfig
from mos_online.themes.visits import Visit

THEMES, EACH, DIMENSIONS = 4, 12, 6


def visits(count: int, *, theme_of: dict[str, int], seed: int = 0, begin: int = 0) -> list[Visit]:
    """Sessions of four items of one theme each."""
    rng = Random(seed)
    by_theme = [sorted(item for item, theme in theme_of.items() if theme == number) for number in range(THEMES)]
    made = []
    for number in range(begin, begin + count):
        items = tuple(rng.choices(by_theme[number % THEMES], k=4))
        made.append(Visit(number, f"s{number:06}", f"u{number % 50}", items, (None,) * 4))
    return made


BEFORE = {f"{theme}-{number}": theme for theme in range(THEMES) for number in range(EACH)}
AFTER = {item: (theme + 1) % THEMES if int(item[2:]) < 4 else theme for item, theme in BEFORE.items() if item != "3-11"}
"""A third of the items has moved on to the next theme, and 3-11 is not clicked any more."""


@pytest.fixture(scope="module")
def serving() -> Router:
    log = events_of(visits(600, theme_of=BEFORE))
    items = log.select("item_id").unique().sort("item_id").with_columns(title=None, category=None)
    found = fit_router(log, items, RouterConfig(themes=THEMES, table=TableConfig(dimensions=DIMENSIONS)))
    return Router(
        items=found.items,
        table=found.tensors()["table"],
        prototypes=found.prototypes,
        category_rows=["kind"],
        category_table=found.tensors()["table"][:1],
        categories={"3-11": "kind"},
        tau=found.tau,
        labels=["unrouted", *(f"theme of old {number}" for number in range(THEMES))],
        config={},
    )


def agreement(router: Router, theme_of: dict[str, int]) -> float:
    """The share of the items that lie with most items of their theme."""
    found = router.item_themes(list(theme_of), [None] * len(theme_of))
    table = np.zeros((THEMES + 1, THEMES), np.int64)
    np.add.at(table, (found, np.array(list(theme_of.values()))), 1)
    return float(table.max(0).sum() / len(theme_of))


def test_it_follows_a_drift_and_keeps_ids_rows_and_names(serving: Router) -> None:
    old, new = visits(600, theme_of=BEFORE, seed=1), visits(600, theme_of=AFTER, seed=2, begin=600)
    found = new_epoch(serving, [*old, *new], spans=(500, 1200))
    assert found.refused == []
    assert found.sessions == 500, "older sessions say what is not true any more"
    assert agreement(serving, AFTER) < 0.75
    assert agreement(found.router, AFTER) > 0.95
    assert (found.router.epoch, found.router.sequence) == (found.router.version, 0)
    assert found.router.epoch != serving.epoch
    assert found.restarted == []
    assert found.router.labels == serving.labels
    assert found.router.has_row("3-11")
    gone: tuple[list[str], list[str | None]] = (["3-11"], [None])
    assert found.router.vectors(*gone).tolist() == serving.vectors(*gone).tolist()
    assert found.router.item_theme("never seen", "kind") == serving.item_theme("never seen", "kind")
    stayed = [item for item in AFTER if int(item[2:]) >= 4]
    nothing: list[str | None] = [None] * len(stayed)
    same = found.router.item_themes(stayed, nothing) == serving.item_themes(stayed, nothing)
    assert same.mean() > 0.95, "ids mean what they meant"


def test_where_nothing_moves_it_is_no_better_and_more_sessions_are_taken(serving: Router) -> None:
    found = new_epoch(serving, visits(900, theme_of=BEFORE, seed=3), spans=(60, 900))
    assert found.sessions == 900
    assert found.kept > 0.95


def test_what_harms_is_refused(serving: Router) -> None:
    sessions = visits(600, theme_of=BEFORE, seed=1)
    refused = new_epoch(serving, sessions, limits=GateConfig(most_unrouted=-1.0, most_spread=-2.0)).refused
    assert any("would have no theme" in reason for reason in refused)
    noise = Random(5)
    mixed = [Visit(*visit[:3], tuple(noise.choices(sorted(BEFORE), k=4)), (None,) * 4) for visit in sessions[:540]]
    worse = new_epoch(serving, [*mixed, *sessions[540:]], spans=(600,))
    assert "less likely" in worse.refused[0]


def test_too_few_sessions_are_said(serving: Router) -> None:
    with pytest.raises(ModelError):
        new_epoch(serving, visits(3, theme_of=BEFORE))
    with pytest.raises(ModelError):
        new_epoch(serving, [])
