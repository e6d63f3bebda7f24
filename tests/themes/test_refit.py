"""A router that is fitted anew keeps basis and theme ids as far as it can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import ModelError
from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.themes.refit import aligned
from mos_online.themes.visits import LaidOut
from simulator.population import SyntheticConfig, synthesize
from tests.themes.test_router_properties import KINDS, NAMES, ROUTER

RNG = np.random.default_rng(0)
LENGTHS = [int(length) for length in RNG.integers(1, 6, 400)]
DRAWN = [NAMES[at] for at in RNG.integers(0, len(NAMES), sum(LENGTHS))]
SESSIONS = LaidOut(DRAWN, [None] * len(DRAWN), LENGTHS)


def disguised(router: Router, seed: int) -> Router:
    """The same router in another basis, with its themes in another order."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((router.dimensions, router.dimensions)))[0]
    order = rng.permutation(router.n_themes)
    tensors = {name: (rows @ rotation).astype(np.float32) for name, rows in router.tensors().items()}
    return Router(
        items=router.items,
        table=tensors["table"],
        prototypes=tensors["prototypes"][order],
        category_rows=router.category_rows,
        category_table=tensors["category_table"],
        categories=router.categories,
        tau=router.tau,
        labels=["unrouted", *(router.labels[at + 1] for at in order)],
        config=router.config,
    )


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_a_permuted_and_rotated_router_is_found_again(seed: int) -> None:
    found = aligned(disguised(ROUTER, seed), ROUTER, SESSIONS)
    assert found.restarted == []
    assert found.kept > 0.99  # rows are rounded to the grid: two prototypes may be as near as that
    assert found.router.labels == ROUTER.labels
    for name, rows in found.router.tensors().items():
        assert np.abs(rows - ROUTER.tensors()[name]).max() < 1e-3
    names = [*NAMES, *KINDS]
    kinds = [None] * len(NAMES) + list(KINDS)
    assert (found.router.item_themes(names, kinds) == ROUTER.item_themes(names, kinds)).mean() > 0.99


def test_it_begins_an_epoch_of_its_own() -> None:
    found = aligned(disguised(ROUTER, 1), ROUTER, SESSIONS).router
    assert (found.epoch, found.sequence) == (found.version, 0)
    assert found.version != ROUTER.version


def test_a_refit_on_later_sessions_keeps_rows_and_ids() -> None:
    log = synthesize(SyntheticConfig(users=500, themes=6, items_per_theme=30, sessions_per_user=10))
    nameless = log.items.with_columns(category=None)
    half = len(log.events) // 2
    old, new = (fit_router(part, nameless, RouterConfig(themes=6)) for part in (log.events[:half], log.events[half:]))
    sessions = log.events.group_by("session_id", maintain_order=True).agg("item_id")["item_id"].to_list()
    names = [item for items in sessions for item in items]
    found = aligned(new, old, LaidOut(names, [None] * len(names), [len(items) for items in sessions]))
    assert found.kept > 0.95
    assert found.restarted == []
    common = [item for item in new.items if old.has_row(item)]
    nothing: list[str | None] = [None] * len(common)
    cosines = [(r.vectors(common, nothing) * old.vectors(common, nothing)).sum(1).mean() for r in (new, found.router)]
    assert cosines[1] > 0.9 > cosines[0]


def test_a_theme_without_a_former_one_is_named() -> None:
    """Theme 3 of the old router has died out; the refit has found another theme, which gets the id that is left."""
    axes = np.eye(4, dtype=np.float32)
    old = router_of(axes[[0, 1, 2]], {"a": axes[0], "b": axes[1], "c": axes[2], "d": axes[1]})
    new = router_of(axes[[3, 1, 0]], {"a": axes[0], "b": axes[1], "c": axes[2], "d": axes[3]})
    sessions = [["a"]] * 5 + [["b"]] * 5 + [["d"]] * 4
    names = [item for items in sessions for item in items]
    found = aligned(new, old, LaidOut(names, [None] * len(names), [1] * len(names)))
    assert found.restarted == [3]
    assert found.router.item_themes(["a", "b", "d"], [None] * 3).tolist() == [1, 2, 3]
    assert found.kept == pytest.approx(10 / 14)


def router_of(prototypes: np.ndarray, rows: dict[str, np.ndarray]) -> Router:
    return Router(
        items=list(rows),
        table=np.stack(list(rows.values())),
        prototypes=prototypes,
        category_rows=[],
        category_table=np.zeros((0, 4), np.float32),
        categories={},
        tau=0.3,
        labels=["unrouted", *map(str, range(len(prototypes)))],
        config={},
    )


def test_routers_that_cannot_be_compared_are_refused() -> None:
    small = router_of(np.eye(4, dtype=np.float32)[:3], {"a": np.eye(4, dtype=np.float32)[0]})
    with pytest.raises(ModelError, match="3 themes and 4 dimensions cannot be aligned with one of 12 and 16"):
        aligned(small, ROUTER, SESSIONS)
    stranger = router_of(np.eye(4, dtype=np.float32)[:3], {"z": np.eye(4, dtype=np.float32)[0]})
    with pytest.raises(ModelError, match="no item in common"):
        aligned(stranger, small, LaidOut(["a"], [None], [1]))
