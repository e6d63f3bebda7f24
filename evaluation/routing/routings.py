"""Ways to give sessions and items their themes: ours, and those it must beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluation.protocol.data import ExperimentData
from evaluation.routing.contrastive import contrastive_table
from mos_online.arrays import Floats32, Ints
from mos_online.themes import Router, RouterConfig, TableConfig, fit_router, router_from_table
from mos_online.training.routing import Routing, themes_of_events, themes_of_items, vectors_of_items


def learned(data: ExperimentData, seed: int) -> Routing:
    """Route by the router of the experiment: in-session co-occurrence before the first cut."""
    return data.routing


def unrouted(data: ExperimentData, seed: int) -> Routing:
    """No session has a theme: what remains of MoS is the global and the short-term expert."""
    nothing = np.zeros_like(data.routing.event_theme), np.zeros_like(data.routing.item_theme)
    return replace(data.routing, event_theme=nothing[0], item_theme=nothing[1])


def themes_without_rings(data: ExperimentData, seed: int) -> Routing:
    """Items have their themes and sessions none: what remains is the prior of the themes, read from recent events."""
    return replace(data.routing, event_theme=np.zeros_like(data.routing.event_theme))


def random_themes(routing: Routing, sessions: Ints, seed: int) -> Routing:
    """Give every session and every item a fixed random theme.

    Args:
        routing: whose number of themes and routing vectors are kept.
        sessions: int64 (n,), session number of each position.
        seed: of the draw.
    """
    rng = np.random.default_rng([seed, 17])
    session = rng.integers(1, routing.themes + 1, int(sessions.max()) + 1)
    item = rng.integers(1, routing.themes + 1, len(routing.item_theme))
    item[0] = 0
    return replace(routing, event_theme=session[sessions], item_theme=item)


def random(data: ExperimentData, seed: int) -> Routing:
    """Route to fixed random themes. Experts and gates are the same, but themes mean nothing."""
    return random_themes(data.routing, data.log.sessions, seed)


def category(data: ExperimentData, seed: int) -> Routing:
    """Every event goes to the ring of its item's category, as SIM's hard search does (Pi et al., CIKM 2020)."""
    item = data.catalogue.item_category
    themes = max(int(item.max()), 1)
    return replace(data.routing, event_theme=item[data.item_rows], item_theme=item, themes=themes)


def contrastive(data: ExperimentData, seed: int) -> Routing:
    """Route by item vectors learned from the contrast of session halves, on the same events as ours."""
    past = data.past(0)
    names, rows = contrastive_table(past, TableConfig(seed=seed))
    return _themes_by(data, router_from_table(names, rows, past, data.log.items, _config(data, seed)))


def same_window(data: ExperimentData, seed: int) -> Routing:
    """Route by a router fitted on the training examples too. The items' features stay those of the first router."""
    return _themes_by(data, fit_router(data.past(1), data.log.items, _config(data, seed)))


def fresh(data: ExperimentData, seed: int) -> Routing:
    """Route by a router that was fitted on the training examples too, as were the items' features.

    Nothing of validation is seen, but what routes the examples has seen them.
    """
    router = fit_router(data.past(1), data.log.items, _config(data, seed))
    return replace(_themes_by(data, router), table=vectors_of_items(router, data.catalogue, data.log))


def from_rows(data: ExperimentData, rows: Floats32, seed: int) -> Routing:
    """Route by any vectors of the items, float32 (items + 1, d), such as a trained model's own."""
    norms = np.linalg.norm(rows, axis=1)
    kept = np.flatnonzero((norms > 1e-6) & (data.known.numpy() > 0))
    names = [data.catalogue.items[row - 1] for row in kept.tolist()]
    unit = (rows[kept] / norms[kept, None]).astype(np.float32)
    return _themes_by(data, router_from_table(names, unit, data.past(0), data.log.items, _config(data, seed)))


def _config(data: ExperimentData, seed: int) -> RouterConfig:
    return RouterConfig(themes=data.config.themes, seed=seed)


def _themes_by(data: ExperimentData, router: Router) -> Routing:
    """Themes by another router; the items' features stay those of the experiment's."""
    return replace(
        data.routing,
        event_theme=themes_of_events(data.log.events, router, data.log.categories),
        item_theme=themes_of_items(router, data.catalogue, data.log),
        themes=router.n_themes,
    )


ROUTINGS: dict[str, Callable[[ExperimentData, int], Routing]] = {
    "learned": learned,
    "unrouted": unrouted,
    "no_rings": themes_without_rings,
    "random": random,
    "category": category,
    "contrastive": contrastive,
    "same_window": same_window,
    "fresh": fresh,
}
"""name -> routing of an experiment by seed."""
