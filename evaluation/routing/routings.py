"""Ways to give sessions and items their themes: ours, and those it must beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluation.protocol.data import Routing, Trial
from evaluation.routing.contrastive import contrastive_table
from mos_online.themes import Router, RouterConfig, TableConfig
from mos_online.training.log import themes_of_events


def learned(trial: Trial, seed: int) -> Routing:
    """By the router of the trial: in-session co-occurrence before the first cut."""
    return trial.routing


def unrouted(trial: Trial, seed: int) -> Routing:
    """No session has a theme: what remains of MoS is the global and the short-term expert."""
    return Routing(
        event_theme=np.zeros_like(trial.routing.event_theme),
        item_theme=np.zeros_like(trial.routing.item_theme),
        themes=trial.routing.themes,
        table=trial.table,
    )


def themes_without_rings(trial: Trial, seed: int) -> Routing:
    """Items have their themes and sessions none: what remains is the prior of the themes, read from recent events."""
    return Routing(
        event_theme=np.zeros_like(trial.routing.event_theme),
        item_theme=trial.routing.item_theme,
        themes=trial.routing.themes,
        table=trial.table,
    )


def random(trial: Trial, seed: int) -> Routing:
    """Every session and every item has a fixed random theme: the same experts and gates, nothing to gain by themes."""
    rng = np.random.default_rng([seed, 17])
    themes = trial.routing.themes
    session = rng.integers(1, themes + 1, int(trial.log.sessions.max()) + 1)
    item = rng.integers(1, themes + 1, len(trial.known))
    item[0] = 0
    return Routing(event_theme=session[trial.log.sessions], item_theme=item, themes=themes, table=trial.table)


def category(trial: Trial, seed: int) -> Routing:
    """Every event goes to the ring of its item's category, as SIM's hard search does (Pi et al., CIKM 2020)."""
    item = trial.catalogue.item_category
    themes = max(int(item.max()), 1)
    return Routing(event_theme=item[trial.log.items], item_theme=item, themes=themes, table=trial.table)


def contrastive(trial: Trial, seed: int) -> Routing:
    """By item vectors learned from the contrast of session halves, on the same events as ours."""
    past = trial.past(0)
    table = TableConfig(seed=seed)
    names, rows = contrastive_table(past, table)
    return _by(trial, Router.from_table(names, rows, past, trial.items, _config(trial, seed)))


def same_window(trial: Trial, seed: int) -> Routing:
    """By a router fitted on the training examples too; the items' features stay those of the earlier one."""
    return _by(trial, Router.fit(trial.past(1), trial.items, _config(trial, seed)))


def fresh(trial: Trial, seed: int) -> Routing:
    """Likewise, and the items' features too: nothing of validation, but what routes the examples has seen them."""
    router = Router.fit(trial.past(1), trial.items, _config(trial, seed))
    return replace(_by(trial, router), table=trial.vectors(router))


def from_rows(trial: Trial, rows: np.typing.NDArray[np.float32], seed: int) -> Routing:
    """By any vectors of the items, float32 (items + 1, d), such as a trained model's own."""
    norms = np.linalg.norm(rows, axis=1)
    kept = np.flatnonzero((norms > 1e-6) & (trial.known.numpy() > 0))
    names = [trial.catalogue.items[row - 1] for row in kept.tolist()]
    unit = (rows[kept] / norms[kept, None]).astype(np.float32)
    return _by(trial, Router.from_table(names, unit, trial.past(0), trial.items, _config(trial, seed)))


def _config(trial: Trial, seed: int) -> RouterConfig:
    return RouterConfig(themes=trial.config.themes, seed=seed)


def _by(trial: Trial, router: Router) -> Routing:
    names = [trial.categories.get(item) for item in trial.catalogue.items]
    return Routing(
        event_theme=themes_of_events(trial.frame, router, trial.categories),
        item_theme=np.concatenate([[0], router.item_themes(trial.catalogue.items, names)]).astype(np.int64),
        themes=router.n_themes,
        table=trial.table,
    )


ROUTINGS: dict[str, Callable[[Trial, int], Routing]] = {
    "learned": learned,
    "unrouted": unrouted,
    "no_rings": themes_without_rings,
    "random": random,
    "category": category,
    "contrastive": contrastive,
    "same_window": same_window,
    "fresh": fresh,
}
"""name -> routing of a trial by seed."""
