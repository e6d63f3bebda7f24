"""A router that is fitted anew, in the basis and with the theme ids of the one before: a new epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mos_online.arrays import Floats, Ints
from mos_online.errors import ModelError
from mos_online.themes.routed import UNROUTED
from mos_online.themes.router import Router
from mos_online.themes.visits import LaidOut

SAME = 0.5
"""A theme that shares fewer than this part of its sessions with the former theme of its id is another one."""


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """A new epoch's router.

    Attributes:
        router: it begins an epoch of its own.
        kept: share of the sessions that keep their theme.
        restarted: ids of themes that mean something else than before, or nothing was before.
    """

    router: Router
    kept: float
    restarted: list[int]


def aligned(new: Router, old: Router, sessions: LaidOut) -> Aligned:
    """Give a fitted router the basis and the theme ids of another one, as far as they can be kept.

    The basis of a table is arbitrary: fitted again on almost the same log, the rows of an item had a mean cosine of
    -.07, after an orthogonal Procrustes rotation (Schönemann 1966) .92. Themes are matched by the sessions that they
    share, so that these are most (Hungarian method, Kuhn 1955).

    Args:
        new: as ``fit_router`` made it, with as many themes and dimensions as ``old``.
        old: the router before.
        sessions: of the newest log; both routers route them.

    Raises:
        ModelError: the routers differ in themes or dimensions, or have no item in common.
    """
    if (new.n_themes, new.dimensions) != (old.n_themes, old.dimensions):
        raise ModelError(
            f"a router of {new.n_themes} themes and {new.dimensions} dimensions cannot be aligned with one of "
            f"{old.n_themes} and {old.dimensions}; fit it with the same sizes, or train a new model"
        )
    before, after = (np.array(router.session_themes(*sessions), np.int64) for router in (old, new))
    overlap = np.zeros((old.n_themes + 1, new.n_themes + 1), np.int64)
    np.add.at(overlap, (before, after), 1)
    was, place = linear_sum_assignment(-overlap[1:, 1:])  # place[k]: of the new theme that gets the id k + 1
    router = _turned(new, _rotation(new, old), place)
    shared = overlap[1:, 1:][was, place]
    own = np.maximum(overlap[:, 1:].sum(0)[place], 1)
    return Aligned(
        router=router,
        kept=float((shared.sum() + overlap[0, 0]) / max(len(before), 1)),
        restarted=[theme + 1 for theme in np.flatnonzero(shared < SAME * own).tolist()],
    )


def _rotation(new: Router, old: Router) -> Floats:
    """The orthogonal matrix that turns the rows of ``new`` onto those of ``old`` best, (d_r, d_r)."""
    common = [item for item in new.items if old.has_row(item)]
    if not common:
        raise ModelError("the two routers have no item in common, so neither tells what the other's themes are")
    nothing: list[str | None] = [None] * len(common)
    left, _, right = np.linalg.svd(new.vectors(common, nothing).T.astype(np.float64) @ old.vectors(common, nothing))
    turned: Floats = left @ right
    return turned


def _turned(router: Router, rotation: Floats, place: Ints) -> Router:
    """The same router in another basis, its theme ``place[k] + 1`` under the id ``k + 1``."""
    tensors = {name: (rows @ rotation).astype(np.float32) for name, rows in router.tensors().items()}
    return Router(
        items=router.items,
        table=tensors["table"],
        prototypes=tensors["prototypes"][place],
        category_rows=router.category_rows,
        category_table=tensors["category_table"],
        categories=router.categories,
        tau=router.tau,
        labels=[router.labels[UNROUTED], *(router.labels[theme + 1] for theme in place)],
        config=router.config,
    )
