"""Rows of items from the company they keep: what they are clicked with now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.themes.revision_config import RevisionConfig
from mos_online.themes.router import Router
from mos_online.themes.visits import Visit

NOTHING = 1e-9
"""Rows shorter than this point nowhere."""


@dataclass(frozen=True, kw_only=True)
class _Members:
    """Distinct (session, item) pairs, sessions in order and in one piece.

    Attributes:
        items: distinct items, in the order in which they appear.
        categories: of these, as their newest event that names one.
        session, item: of each pair, the session's number and the item's place in ``items``.
        starts: of each session, its first pair.
    """

    items: list[str]
    categories: list[str | None]
    session: Ints
    item: Ints
    starts: Ints


def company_rows(base: Router, visits: Sequence[Visit], config: RevisionConfig) -> tuple[list[str], Floats]:
    """The rows of the items of some sessions, from the base rows of the items that they shared these with.

    The company of an item is the sum over its sessions of the unit sum of the *other* items' base rows, newer sessions
    weighing more; its row is the unit sum of the company and of ``config.prior`` times its own base row, or its
    category's row. Base rows, and not those of an earlier revision: so the rows are a function of base and sessions,
    and do not contract from revision to revision. Items without a base row do not teach each other.

    An item whose company points elsewhere than its base row has moved. It would teach the others where it was. So the
    company is found a second time, in which such an item has the direction of its first company, and its own base row
    counts for less. Where nothing moves, the second time changes nothing.

    Args:
        base: the router of the epoch.
        visits: sessions, oldest first.
        config: weights.

    Returns:
        Ids of the items that have company, and their unit rows, float64 (n, d_r). An item that the base does not know
        needs ``config.least`` items that it does.
    """
    members = _members(visits, config.longest)
    if not members.items:
        return [], np.zeros((0, base.dimensions))
    known = np.array([base.has_row(item) for item in members.items])
    prior = base.vectors(members.items, members.categories).astype(np.float64)
    own = np.where(known[:, None], prior, 0.0)
    weights = 0.5 ** (_sessions_since(members.item) / config.half_life)
    met = _met(members, known)
    company = _company(members, own, weights, config.common)
    first = _unit(company)
    moved = (met >= config.least) & known & ((first * own).sum(1) < config.same)
    if moved.any():
        company = _company(members, np.where(moved[:, None], first, own), weights, config.common)
    rows = company + np.where(moved, config.moved_prior, config.prior)[:, None] * prior
    lengths = np.linalg.norm(rows, axis=1)
    kept = np.flatnonzero((lengths > NOTHING) & np.where(known, met > 0, met >= config.least))
    return [members.items[at] for at in kept], rows[kept] / lengths[kept, None]


def _company(members: _Members, teaching: Floats, weights: Floats, common: float) -> Floats:
    """The weighted sum over an item's sessions of the unit sum of the others' rows, float64 (items, d_r).

    What all items have in common, the mean of these sums, is taken off to the share ``common``.
    """
    of_pairs = teaching[members.item]
    with_others = np.add.reduceat(of_pairs, members.starts, 0)[members.session] - of_pairs
    company = np.zeros_like(teaching)
    np.add.at(company, members.item, _unit(with_others) * weights[:, None])
    masses = np.bincount(members.item, weights, len(teaching))
    centred: Floats = company - common * masses[:, None] * (company.sum(0) / masses.sum())
    return centred


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > NOTHING)
    return unit


def _members(visits: Sequence[Visit], longest: int) -> _Members:
    place: dict[str, int] = {}
    named: dict[str, str] = {}
    sessions: list[int] = []
    items: list[int] = []
    starts: list[int] = []
    for number, visit in enumerate(visits):
        starts.append(len(items))
        for item in list(dict.fromkeys(visit.items))[:longest]:
            sessions.append(number)
            items.append(place.setdefault(item, len(place)))
        for item, category in zip(visit.items, visit.categories, strict=True):
            if category is not None:
                named[item] = category
    return _Members(
        items=list(place),
        categories=[named.get(item) for item in place],
        session=np.array(sessions, np.int64),
        item=np.array(items, np.int64),
        starts=np.array(starts, np.int64),
    )


def _sessions_since(item: Ints) -> Ints:
    """For each pair, oldest first, how many later pairs its item has."""
    order = np.argsort(item, kind="stable")
    sizes = np.bincount(item)
    ends = np.cumsum(sizes)
    since = np.empty_like(item)
    since[order] = np.repeat(ends, sizes) - 1 - np.arange(len(item))
    return since


def _met(members: _Members, known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ints:
    """How many items with a base row each item has met, by session."""
    is_known = known[members.item].astype(np.int64)
    others = np.add.reduceat(is_known, members.starts)[members.session] - is_known
    return np.bincount(members.item, others, len(members.items)).astype(np.int64)
