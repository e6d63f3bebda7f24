"""Routing is a function of the session alone: exactly, whatever the order, the batch or the copy of the router."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import SESSION_END, CloseReason, Context, Session, SessionEvent
from mos_online.errors import ModelError
from mos_online.themes import Router, RouterConfig, fit_router, load_router, save_router
from mos_online.themes.labels import theme_labels

NAMES = [f"i{n}" for n in range(200)]
KINDS = ["red", "green", "blue"]


def random_router(seed: int = 0, *, tau: float = 0.3) -> Router:
    """No structure at all, so that near ties between prototypes are common."""
    rng = np.random.default_rng(seed)

    def rows(count: int) -> np.ndarray:
        drawn = rng.standard_normal((count, 16))
        unit: np.ndarray = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
        return unit

    return Router(
        items=NAMES,
        table=rows(len(NAMES)),
        prototypes=rows(12),
        category_rows=KINDS,
        category_table=rows(len(KINDS)),
        categories={"i0": "red", "old": "green"},
        tau=tau,
        labels=["unrouted", *(f"theme {n}" for n in range(1, 13))],
        config={},
    )


ROUTER = random_router()


def session(items: list[str], category: str | None = None, *, end: bool = False) -> Session:
    context: Context | None = {"category": category} if category else None
    events = [SessionEvent(event_id=f"e{n}", item_id=i, timestamp=n, context=context) for n, i in enumerate(items)]
    if end:
        events.append(SessionEvent(event_id="end", item_id=NAMES[5], timestamp=len(items), event_type=SESSION_END))
    reason: CloseReason = "end_event" if end else "gap"
    return Session(
        session_id="s", user_id="u", started_at=0, ended_at=9, events=events, close_reason=reason, watermark=9
    )


ITEMS = st.lists(st.sampled_from([*NAMES, "new"]), min_size=1, max_size=300)


@settings(deadline=None)
@given(ITEMS, st.randoms())
def test_the_order_of_events_changes_no_bit(items: list[str], random: Random) -> None:
    assert ROUTER.route(session(random.sample(items, len(items)))) == ROUTER.route(session(items))


@settings(deadline=None)
@given(ITEMS)
def test_the_end_of_a_session_does_not_count(items: list[str]) -> None:
    assert ROUTER.route(session(items, end=True)) == ROUTER.route(session(items))


@settings(deadline=None)
@given(ITEMS)
def test_the_theme_is_the_nearest_prototype_of_the_unit_mean(items: list[str]) -> None:
    routed = ROUTER.route(session(items))
    assert len(routed.embedding) == 16
    assert len(routed.weights) == 12
    if any(routed.embedding):
        assert np.linalg.norm(routed.embedding) == pytest.approx(1, abs=1e-6)
        assert routed.theme in {0, 1 + int(np.argmax(routed.weights))}
        assert (routed.theme == 0) == (max(routed.weights) < ROUTER.tau)
    else:
        assert routed.theme == 0


@settings(deadline=None)
@given(st.lists(st.sampled_from([*NAMES, "new", "old"]), max_size=60), st.sampled_from([None, *KINDS]))
def test_an_items_theme_does_not_depend_on_the_batch(items: list[str], category: str | None) -> None:
    together = ROUTER.item_themes(items, [category] * len(items))
    assert together.dtype == np.int64
    assert together.tolist() == [ROUTER.item_theme(item, category) for item in items]


def test_near_ties_are_decided_alike_in_any_batch() -> None:
    twins = np.eye(16, dtype=np.float32)[[0, 0, 1]]
    twins[1, 2] = 1e-6  # closer than the grid: the same prototype, so the first of the two wins everywhere
    router = Router(
        items=NAMES,
        table=np.repeat(np.eye(16, dtype=np.float32), 13, axis=0)[: len(NAMES)],
        prototypes=twins,
        category_rows=[],
        category_table=np.zeros((0, 16), np.float32),
        categories={},
        tau=0.5,
        labels=["unrouted", "a", "b", "c"],
        config={},
    )
    assert set(router.item_themes(NAMES[:13], [None] * 13).tolist()) == {1}
    assert router.route(session(NAMES[:13])).theme == 1


def test_a_category_stands_for_an_unknown_item() -> None:
    assert ROUTER.route(session(["new"], "red")) == ROUTER.route(session(["never seen"], "red"))
    assert ROUTER.route(session(["new"], "red")).embedding != ROUTER.route(session(["new"], "blue")).embedding
    assert ROUTER.route(session(["i7"], "red")) == ROUTER.route(session(["i7"]))  # its own row comes first
    known = ROUTER.route(session(["new"], "green"))
    assert ROUTER.route(session(["old"])) == known  # its category when the router was fitted
    assert ROUTER.route(session(["old"], "a new section")) == known
    assert ROUTER.route(session(["old"], "blue")) == ROUTER.route(session(["new"], "blue"))  # what the event says wins


def test_items_of_which_nothing_is_known_do_not_count() -> None:
    assert ROUTER.route(session(["i7", "new", "unheard of"])) == ROUTER.route(session(["i7"]))
    nothing = ROUTER.route(session(["new"]))
    assert (nothing.theme, set(nothing.embedding), set(nothing.weights)) == (0, {0.0}, {0.0})


def test_what_fits_no_prototype_is_unrouted_and_keeps_its_embedding() -> None:
    strict = random_router(tau=0.99)
    routed = strict.route(session(["i1", "i2"]))
    assert routed.theme == 0
    assert routed.embedding == ROUTER.route(session(["i1", "i2"])).embedding


def test_what_was_saved_routes_the_same_to_the_bit(tmp_path: Path) -> None:
    save_router(ROUTER, tmp_path)
    again = load_router(tmp_path)
    assert again.version == ROUTER.version
    for number in range(200):
        some = session([NAMES[number], NAMES[-number], "new"], KINDS[number % 3])
        assert again.route(some) == ROUTER.route(some)
    save_router(again, tmp_path / "copy")
    for name in ("router.json", "router.safetensors"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_version_is_the_content() -> None:
    assert random_router().version == ROUTER.version
    assert random_router(seed=1).version != ROUTER.version
    assert random_router(tau=0.31).version != ROUTER.version


@pytest.mark.parametrize("name", ["router.json", "router.safetensors"])
@pytest.mark.parametrize("harm", ["missing", "cut", "of another router"])
def test_a_damaged_artefact_is_refused(tmp_path: Path, name: str, harm: str) -> None:
    save_router(ROUTER, tmp_path)
    file = tmp_path / name
    if harm == "missing":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:-40])
    else:
        save_router(random_router(seed=1, tau=0.4), tmp_path / "other")
        file.write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(ModelError, match="mos train"):
        load_router(tmp_path)


def test_an_artefact_of_another_format_is_refused(tmp_path: Path) -> None:
    save_router(ROUTER, tmp_path)
    text = (tmp_path / "router.json").read_text()
    (tmp_path / "router.json").write_text(text.replace('"format":2', '"format":1'))
    with pytest.raises(ModelError, match="format 1"):
        load_router(tmp_path)


def planted(noise: float, seed: int) -> tuple[pl.DataFrame, list[int]]:
    """Eight rings of 30 items; users hop between four of them and go on where they were. Events, theme per session."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str]] = []
    themes: list[int] = []
    for _ in range(300):
        own, at = rng.choice(8, 4, replace=False), rng.integers(30, size=8)
        for _ in range(12):
            theme = int(rng.choice(own))
            for _ in range(2 + rng.poisson(3)):
                at[theme] = (at[theme] + rng.integers(1, 4)) % 30
                item = theme * 30 + at[theme] if rng.random() >= noise else rng.integers(240)
                rows.append((f"{len(themes):05}", f"i{item}"))
            themes.append(theme)
    return pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row"), themes


NO_CATALOGUE = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String, "category": pl.String})


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.97), (0.1, 0.9)])
def test_planted_themes_are_found_without_categories(noise: float, least: float) -> None:
    events, themes = planted(noise, seed=11)
    half = f"{len(themes) // 2:05}"
    router = fit_router(events.filter(pl.col("session_id") < half), NO_CATALOGUE, RouterConfig(themes=8))
    later = events.filter(pl.col("session_id") >= half).group_by("session_id", maintain_order=True).agg("item_id")
    found = [router.route(session(items)).theme for items in later["item_id"]]
    true = [themes[int(name)] for name in later["session_id"]]
    joint = np.zeros((9, 8))
    np.add.at(joint, (found, true), 1 / len(true))
    p, q = joint.sum(1), joint.sum(0)
    kept = joint > 0
    information = (joint[kept] * np.log(joint[kept] / np.outer(p, q)[kept])).sum()
    entropy = -(p[p > 0] * np.log(p[p > 0])).sum() - (q * np.log(q)).sum()
    assert 2 * information / entropy >= least


def test_only_the_newest_events_are_learned_from() -> None:
    events, _ = planted(0.1, seed=12)
    old = events.with_columns(session_id="old" + pl.col("session_id"), item_id="old" + pl.col("item_id"))
    config = RouterConfig(themes=8, newest=len(events))
    assert (
        fit_router(pl.concat([old, events]), NO_CATALOGUE, config).version
        == fit_router(events, NO_CATALOGUE, config).version
    )


def clicked(**counts: int) -> pl.DataFrame:
    return pl.DataFrame({"item_id": [item for item, count in counts.items() for _ in range(count)]})


def catalogue(*rows: tuple[str, str | None, str | None]) -> pl.DataFrame:
    schema = {"item_id": pl.String, "title": pl.String, "category": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def test_a_theme_is_named_by_the_categories_that_set_it_apart() -> None:
    items = catalogue(
        ("a", "Alien", "horror"), ("b", "Brazil", "drama"), ("c", "Casablanca", "drama"), ("d", None, "war")
    )
    labels = theme_labels(clicked(a=9, b=5, c=9, d=2), items, {"a": 1, "b": 1, "c": 2, "d": 2}, 3)
    assert labels == ["unrouted", "horror (Alien)", "drama, war (Casablanca)", "theme 3"]


def test_a_theme_without_categories_is_named_by_its_items() -> None:
    items = catalogue(("a", "Alien", None), ("b", "Brazil", None))
    labels = theme_labels(clicked(a=3, b=5, z=1), items, {"a": 1, "b": 2, "z": 2}, 2)
    assert labels == ["unrouted", "Alien", "Brazil, z"]
