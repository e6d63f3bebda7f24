"""How many themes: the fewest that predict held-out sessions about as well as any number does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mos_online.errors import ModelError
from mos_online.profile import UNROUTED
from mos_online.themes.cooccurrence import Ints, routing_table
from mos_online.themes.router import Router, RouterConfig

CANDIDATES = (4, 8, 12, 16, 24)
HELD_OUT = 0.2
STRENGTHS = tuple(float(10 ** (half / 2)) for half in range(11))
"""Clicks that popularity counts for in the distribution of a theme: 1 to 100,000."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ThemeLikelihoods:
    """How well each number of themes predicts held-out sessions.

    Attributes:
        candidates: K, ascending.
        means: mean over held-out sessions of the mean log-likelihood (nats) of their items.
        errors: standard error of each mean.
        sessions: how many held-out sessions were judged.

    >>> found = ThemeLikelihoods(candidates=(4, 8, 12), means=(-5, -4.3, -4.2), errors=(0.2, 0.2, 0.2), sessions=99)
    >>> found.best, found.chosen
    (12, 8)
    """

    candidates: tuple[int, ...]
    means: tuple[float, ...]
    errors: tuple[float, ...]
    sessions: int

    @property
    def best(self) -> int:
        """K of the largest mean."""
        return self.candidates[int(np.argmax(self.means))]

    @property
    def chosen(self) -> int:
        """The smallest K within one standard error of the best (Breiman et al. 1984, section 3.4.3)."""
        at = int(np.argmax(self.means))
        least = self.means[at] - self.errors[at]
        return next(k for k, mean in zip(self.candidates, self.means, strict=True) if mean >= least)


def choose_themes(
    events: pl.DataFrame, items: pl.DataFrame, config: RouterConfig, candidates: Sequence[int] = CANDIDATES
) -> int:
    """The number of themes for a log: ``theme_likelihoods(...).chosen``, with the same arguments and errors."""
    return theme_likelihoods(events, items, config, candidates).chosen


def theme_likelihoods(
    events: pl.DataFrame, items: pl.DataFrame, config: RouterConfig, candidates: Sequence[int] = CANDIDATES
) -> ThemeLikelihoods:
    """Fit routers on the older 80 % of sessions and score the newer 20 %.

    What is scored is log p(item | theme of the other items of its session), with p(i | k) = (n_ki + m n_i / n) /
    (n_k + m): the training sessions' clicks n_ki on item i beside others of theme k, drawn towards overall popularity
    (plus one click) by a Dirichlet prior (Zhai & Lafferty 2004, equation 6). The strength m that suits one half of the
    held-out sessions scores the other half: one that suits the training sessions is too weak, as the themes were
    fitted to them. Theme 0 (unrouted) counts as one more. A session counts by its distinct items; items without a
    routing row are left out, as are sessions of fewer than two items with one.

    Whatever makes a session predictable counts, not only themes. Where the items of a theme share sessions alike, the
    planted number was found (6, 12 and 20 themes, 10 % noise); where sessions are short walks on a ring of 60 items, as
    in the simulator's population, arcs of a ring predict better than rings, and the largest candidate won each time.
    When the largest candidate is chosen, read the answer as "no fewer than".

    Args:
        events: as for ``Router.fit``.
        items: as for ``Router.fit``.
        config: of the router; its ``themes`` are not looked at.
        candidates: numbers of themes, at least 1 each.

    Raises:
        ModelError: no candidates or one below 1, too few sessions to hold any out, or to fit the largest candidate.
    """
    ordered = tuple(sorted(set(candidates)))
    if not ordered or ordered[0] < 1:
        raise ModelError(f"candidates for the number of themes: {tuple(candidates)}; give one or more, each at least 1")
    older, newer = _split(events.drop_nulls("session").tail(config.newest))
    names, table = routing_table(older, config.table)
    train, test = _Clicks.of(older, names), _Clicks.of(newer, names)
    sessions = len(np.unique(test.session))
    if sessions < 2:
        raise ModelError(
            f"{sessions} held-out sessions have two items that were frequent in the older sessions; to compare themes "
            f"takes 2, and hundreds to compare them well: use a longer log or a smaller min_sessions"
        )
    popularity = (np.bincount(train.item, minlength=len(names)) + 1) / (len(train.item) + len(names))
    means, errors = [], []
    for count in ordered:
        router = Router.from_table(names, table, older, items, replace(config, themes=count))
        counts = np.zeros((count + 1, len(names)))
        np.add.at(counts, (train.other_themes(names, router), train.item), 1)
        theme = test.other_themes(names, router)
        inside, total, prior = counts[theme, test.item], counts.sum(1)[theme], popularity[test.item]
        likelihoods = [np.log((inside + strength * prior) / (total + strength)) for strength in STRENGTHS]
        by_session = [np.bincount(test.session, each) / np.bincount(test.session) for each in likelihoods]
        scores = _cross_fitted(np.stack(by_session))
        means.append(float(scores.mean()))
        errors.append(float(scores.std() / np.sqrt(sessions)))
    return ThemeLikelihoods(candidates=ordered, means=tuple(means), errors=tuple(errors), sessions=sessions)


def _cross_fitted(scores: Floats) -> Floats:
    """Score every other session by the choice that is best for the rest, and the rest likewise.

    Args:
        scores: float64 (choices, sessions).

    >>> _cross_fitted(np.array([[1.0, 9.0, 2.0, 9.0], [5.0, 0.0, 6.0, 0.0]])).tolist()
    [1.0, 0.0, 2.0, 0.0]
    """
    fitted = np.empty(scores.shape[1])
    for half in (0, 1):
        fitted[half::2] = scores[scores[:, 1 - half :: 2].mean(1).argmax(), half::2]
    return fitted


def _split(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of the sessions that began first, and of the rest."""
    started = events["session"].unique(maintain_order=True)
    older = started.head(round(len(started) * (1 - HELD_OUT)))
    held_in = events["session"].is_in(older.implode())
    return events.filter(held_in), events.filter(~held_in)


@dataclass(frozen=True)
class _Clicks:
    """Distinct items of the sessions that have two or more of them, sessions numbered 0, 1, ... in one piece."""

    item: Ints
    session: Ints

    @classmethod
    def of(cls, events: pl.DataFrame, names: Sequence[str]) -> _Clicks:
        index = pl.DataFrame({"item_id": names, "row": np.arange(len(names))})
        known = events.select("session", "item_id").unique().join(index, on="item_id")
        several = known.filter(pl.len().over("session") > 1).sort("session", "row")
        return cls(several["row"].to_numpy(), several["session"].rle_id().to_numpy().astype(np.int64))

    def other_themes(self, names: Sequence[str], router: Router) -> Ints:
        """Theme 0..K that the router gives to the other items of each click's session, int64 (n,)."""
        rows = router.vectors(names, [None] * len(names)).astype(np.float64)[self.item]
        starts = np.searchsorted(self.session, np.arange(self.session[-1] + 1))
        others = np.add.reduceat(rows, starts)[self.session] - rows
        weights = others @ router.prototypes.T.astype(np.float64)
        lengths = np.linalg.norm(others, axis=1)
        routed = (lengths > 0) & (weights.max(1) >= router.tau * lengths)
        return np.where(routed, weights.argmax(1) + 1, UNROUTED)
