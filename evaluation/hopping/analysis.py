"""Do users hop between themes, and does it matter? Measured on a log before any model is trained.

A router is fitted on seven tenths of the users and everything is measured on the others, so that nobody's sessions are
judged by themes that were learned from them. Which users these are depends on their ids only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
import scipy.sparse as sp

from evaluation.hopping.extent import Extent, extent_of, share_of_new_items
from evaluation.hopping.hop_rate import Hops, hop_rate
from evaluation.hopping.similarity import Similarity, similarity
from mos_online.errors import DatasetError, ModelError
from mos_online.items.clicks import item_categories
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.training.click_log import with_sessions
from mos_online.training.routing import themes_of_events

FITTED = 0.7
"""Share of the users by whom the router is fitted."""

SESSIONS_PER_THEME = 50
"""A log with fewer fitted sessions of two or more events than this per theme gets fewer themes, but at least two."""

FEWEST_USERS = 5
"""Measured users with two or more routed sessions that are needed."""

MOST_EVENTS = 300_000
"""About so many events of a longer log are measured, with whole users."""


class Hopping(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one log.

    Attributes:
        extent: size of the log.
        kept_users: share of the users that were kept, by a hash of their ids; 1: all.
        measured_users: users by whom the router was not fitted.
        themes: K; labels: names of themes 0 (unrouted) to K.
        routed: share of the measured sessions that have a theme.
        cosine: similarity as the cosine of routing vectors.
        category: similarity as 1 for equal categories, else 0; None if fewer than half of the events have one.
        hops: of themes.
    """

    extent: Extent
    kept_users: float
    measured_users: int
    themes: int
    labels: list[str]
    routed: float
    cosine: Similarity
    category: Similarity | None
    hops: Hops


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The figures and what they come from.

    Attributes:
        figures: of the log.
        visits: one row per measured session, by user and time: user_id (str), started_at (ms), theme (0..K).
        by_user: measured users with two or more routed sessions: user_id, pairs, rate, shuffled.
    """

    figures: Hopping
    visits: pl.DataFrame
    by_user: pl.DataFrame


def measure_hopping(
    events: pl.DataFrame,
    items: pl.DataFrame,
    *,
    sessions: SessionConfig,
    themes: int = 12,
    most_events: int = MOST_EVENTS,
    seed: int = 0,
) -> Analysis:
    """Cut sessions, fit a router on some users and measure the others.

    Args:
        events: columns user_id, event_id, item_id (str), timestamp (ms), event_type (str), ascending in time.
        items: columns item_id, title, category (str or null).
        sessions: how sessions are cut.
        themes: K at most, see ``SESSIONS_PER_THEME``.
        most_events: of a longer log about so many are kept, with whole users.
        seed: of the router and of all draws.

    Raises:
        DatasetError: the log is too short for themes, or too few users come back.
    """
    kept = min(1.0, most_events / max(1, len(events)))
    new_items = share_of_new_items(events)
    if kept < 1:
        events = events.filter(_below(events["user_id"], kept, "keep"))
    log = with_sessions(events, sessions)
    fitted = _below(log["user_id"], FITTED, "fit")
    router = _fit(log.filter(fitted), items, themes, seed)
    measured = log.filter(~fitted)
    category_of = item_categories(items)
    visits = _visits(measured, router, category_of)
    routed = _routed(visits, users=log["user_id"].n_unique())
    owner, theme, began = (routed[name].to_numpy() for name in ("user_id", "theme", "started_at"))
    hops, by_user = hop_rate(owner, theme, began, seed)
    names = measured["item_id"].to_list()
    categories = [category_of.get(name) for name in names]
    figures = Hopping(
        extent=extent_of(log, new_items),
        kept_users=kept,
        measured_users=measured["user_id"].n_unique(),
        themes=router.n_themes,
        labels=router.labels,
        routed=len(routed) / len(visits),
        cosine=similarity(measured, sp.csr_matrix(router.vectors(names, categories).astype(np.float64)), seed),
        category=_category_similarity(measured, categories, seed),
        hops=hops,
    )
    return Analysis(figures=figures, visits=visits, by_user=by_user)


def _visits(measured: pl.DataFrame, router: Router, category_of: dict[str, str]) -> pl.DataFrame:
    """One row per session, by user and time: user_id, started_at (ms), theme (0..K)."""
    themes = pl.Series(themes_of_events(measured, router, category_of), dtype=pl.Int64)
    return (
        measured.with_columns(theme=themes)
        .group_by("session_id", maintain_order=True)
        .agg(pl.col("user_id").first(), pl.col("timestamp").first().alias("started_at"), pl.col("theme").first())
        .drop("session_id")
    )


def _routed(visits: pl.DataFrame, *, users: int) -> pl.DataFrame:
    """The sessions that have a theme.

    Raises:
        DatasetError: too few users have two of them; ``users``: how many the whole log has.
    """
    routed = visits.filter(pl.col("theme") > 0)
    returning = routed.filter(pl.len().over("user_id") > 1)["user_id"].n_unique()
    if returning < FEWEST_USERS:
        raise DatasetError(
            f"the log is too short: {returning} of the {visits['user_id'].n_unique()} measured users (of {users}) "
            f"have two sessions with a theme, at least {FEWEST_USERS} are needed; take a longer log, or a shorter "
            "MOS_SESSION_GAP if sessions are long"
        )
    return routed


def _category_similarity(events: pl.DataFrame, categories: list[str | None], seed: int) -> Similarity | None:
    names = sorted({name for name in categories if name is not None})
    column = {name: number for number, name in enumerate(names)}
    known = [(row, column[name]) for row, name in enumerate(categories) if name is not None]
    if len(names) < 2 or len(known) < len(categories) / 2:
        return None
    at = np.array(known, np.int64)
    shape = (len(categories), len(names))
    return similarity(events, sp.csr_matrix((np.ones(len(at)), (at[:, 0], at[:, 1])), shape=shape), seed)


def _fit(log: pl.DataFrame, items: pl.DataFrame, themes: int, seed: int) -> Router:
    several = int((log.group_by("session_id").len()["len"] > 1).sum())
    count = max(2, min(themes, several // SESSIONS_PER_THEME))
    try:
        return fit_router(log.sort("timestamp", "event_id"), items, RouterConfig(themes=count, seed=seed))
    except ModelError as error:
        raise DatasetError(
            f"the log is too short for themes: {log['user_id'].n_unique()} users, {len(log)} events and {several} "
            f"sessions of two or more events to learn from: {error}"
        ) from None


def _below(users: pl.Series, share: float, purpose: str) -> pl.Series:
    """Whether a hash of the user falls below ``share``; different purposes choose independently."""
    names = users.unique().to_list()
    points = [hashlib.blake2s(f"{purpose}:{name}".encode(), digest_size=4).digest() for name in names]
    chosen = {name: int.from_bytes(point) < share * 2**32 for name, point in zip(names, points, strict=True)}
    return pl.Series([chosen[name] for name in users], dtype=pl.Boolean)
