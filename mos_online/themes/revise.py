"""A revision of a router: its epoch's router, moved to where the newest sessions are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mos_online.themes.company import company_rows
from mos_online.themes.revision_config import RevisionConfig
from mos_online.themes.router import Router
from mos_online.themes.visits import Visit, laid_out


def revise(base: Router, visits: Sequence[Visit], config: RevisionConfig, *, sequence: int) -> Router:
    """Move the rows of items and the prototypes of a router to where the newest sessions are.

    It is a pure function of its arguments: whoever has the base and the sessions finds the same revision, byte for
    byte. Items move by their company, see ``company_rows``, and prototypes by the sessions under the new rows.
    Prototypes alone would follow a drift of the items hardly at all (3 to 9 % of a planted one).

    Themes keep their ids, categories keep their rows, and what is not in the sessions stays as it is in the base.

    Args:
        base: the router of the epoch, as it was fitted.
        visits: the sessions of the window, oldest first.
        config: weights.
        sequence: number of the revision in the epoch, from 1 on.

    Returns:
        The revision, of the epoch of ``base``.
    """
    visits = [visit for visit in visits if visit.items]
    names, rows = company_rows(base, visits, config)
    moved = base.revised(names, rows, prototypes=base.prototypes, tau=base.tau, sequence=sequence)
    points = moved.embeddings(*laid_out(visits))
    placed = np.flatnonzero(np.abs(points).sum(1) > 0)
    if not len(placed):
        return moved
    start = base.prototypes.astype(np.float64)
    age = len(visits) - 1 - placed
    weights = 0.5 ** (age / config.prototype_half_life)
    sums = start * config.prototype_prior * 0.5 ** (len(visits) / config.prototype_half_life)
    np.add.at(sums, (points[placed] @ start.T).argmax(1), points[placed] * weights[:, None])
    prototypes = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    nearest = (points[placed] @ prototypes.T).max(1)
    tau = min(float(np.quantile(nearest, config.unrouted_share)), config.most_tau)
    return moved.revised([], np.zeros((0, base.dimensions)), prototypes=prototypes, tau=tau, sequence=sequence)
