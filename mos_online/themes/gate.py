"""May a revision go into service? What it does to the sessions of its window, and why not, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.metrics.bootstrap import Comparison, paired_bootstrap
from mos_online.themes.config import RouterConfig
from mos_online.themes.item_likelihood import likelihoods, newest
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.routed import UNROUTED
from mos_online.themes.router import Router
from mos_online.themes.visits import LaidOut, Visit, laid_out


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision does to the sessions of its window.

    Attributes:
        sessions: of the window.
        moved: share of them with another theme than under the router in service.
        least, most: smallest and largest share of the sessions that a theme has.
        spread: mean cosine between two prototypes.
        unrouted: share of the sessions without a theme.
        gain, gain_low, gain_high: how much likelier (log) an item of the newest tenth is, given its session's theme,
            than with the router in service, and the 95 % interval. A revision that has not seen that tenth is asked.
        refused: why it may not go into service; empty if it may.
    """

    sessions: int
    moved: float
    least: float
    most: float
    spread: float
    unrouted: float
    gain: float
    gain_low: float
    gain_high: float
    refused: list[str]


class _Seen(NamedTuple):
    """The sessions of the window under one router: theme of each, share of each theme, share of those without."""

    themes: Ints
    shares: Floats
    unrouted: float


def judge(
    base: Router,
    serving: Router,
    revision: Router,
    visits: Sequence[Visit],
    config: RevisionConfig,
    limits: GateConfig,
) -> Judgement:
    """Compare a revision with the router in service, on the sessions that it was made from.

    Args:
        base: the router of the epoch.
        serving: the router in service, of the same epoch.
        revision: what may replace it.
        visits: the sessions of the window, oldest first, at least two that are not empty.
        config: that the revision was made with.
        limits: what it must not do.
    """
    visits = [visit for visit in visits if visit.items]
    sessions = laid_out(visits)
    before, after = _seen(serving, sessions), _seen(revision, sessions)
    earlier = revise(base, visits[: -newest(len(visits))], config, sequence=revision.sequence)
    gain = _gain(before, _seen(earlier, sessions), visits, revision.n_themes, limits)
    moved = float((before.themes != after.themes).mean())
    refused = [*_too_far(moved, gain, limits), *_harm(base, revision, sessions, before, after, limits)]
    return Judgement(
        sessions=len(visits),
        moved=moved,
        least=float(after.shares.min()),
        most=float(after.shares.max()),
        spread=_spread(revision),
        unrouted=after.unrouted,
        gain=gain.mean,
        gain_low=gain.low,
        gain_high=gain.high,
        refused=refused,
    )


def harm_of(serving: Router, router: Router, visits: Sequence[Visit], limits: GateConfig) -> list[str]:
    """What a router of another epoch does that none may do, whatever its themes mean.

    Themes may not become too large, too small or too alike, and not too many sessions may be without one.

    Args:
        serving: the router in service.
        router: what may replace it.
        visits: sessions, none of them empty.
        limits: what it must not do.
    """
    sessions = laid_out(visits)
    return _harm(serving, router, sessions, _seen(serving, sessions), _seen(router, sessions), limits)


def _harm(
    base: Router, router: Router, sessions: LaidOut, before: _Seen, after: _Seen, limits: GateConfig
) -> list[str]:
    return [
        *_out_of_balance(before.shares, after.shares, limits),
        *_contracted(_spread(router), max(limits.most_spread, _spread(base)), limits),
        *_lost(after.unrouted, _seen(base, sessions).unrouted, limits),
    ]


def _seen(router: Router, sessions: LaidOut) -> _Seen:
    themes = np.array(router.session_themes(*sessions), np.int64)
    shares = np.bincount(themes, minlength=router.n_themes + 1) / len(themes)
    return _Seen(themes=themes, shares=shares[1:], unrouted=float(shares[UNROUTED]))


def _gain(before: _Seen, after: _Seen, visits: Sequence[Visit], n_themes: int, limits: GateConfig) -> Comparison:
    users = [visit.user_id for visit in visits[-newest(len(visits)) :]]
    old, new = (likelihoods(seen.themes, visits, n_themes) for seen in (before, after))
    return paired_bootstrap(new, old, users, limits.draws, limits.seed)


def _too_far(moved: float, gain: Comparison, limits: GateConfig) -> list[str]:
    found = []
    if moved > limits.most_moved_proven:
        found.append(
            f"{moved:.1%} of the sessions would change their theme; with more than {limits.most_moved_proven:.0%} ids "
            f"lose their meaning, which needs a new epoch"
        )
    elif moved > limits.most_moved and gain.low <= 0:
        found.append(
            f"{moved:.1%} of the sessions would change their theme; more than {limits.most_moved:.0%} may only if the "
            f"newest sessions prove it better"
        )
    if gain.high < 0:
        found.append(f"an item of the newest sessions would be less likely, by {-gain.mean:.3f} (log)")
    return found


def _out_of_balance(before: Floats, after: Floats, limits: GateConfig) -> list[str]:
    least, most = limits.least_share / len(after), limits.most_share / len(after)
    found = []
    if (small := float(after.min())) < min(least, float(before.min())):
        found.append(f"theme {after.argmin() + 1} would have {small:.1%} of the sessions, at least {least:.1%} it must")
    if (large := float(after.max())) > max(most, float(before.max())):
        found.append(f"theme {after.argmax() + 1} would have {large:.1%} of the sessions, at most {most:.1%} it may")
    return found


def _contracted(spread: float, most: float, limits: GateConfig) -> list[str]:
    if spread <= most:
        return []
    return [f"the prototypes would have a mean cosine of {spread:.2f}; {limits.most_spread:.2f} is the most"]


def _lost(unrouted: float, of_base: float, limits: GateConfig) -> list[str]:
    most = limits.most_unrouted * max(of_base, RouterConfig.unrouted_share)
    if unrouted <= most:
        return []
    return [f"{unrouted:.1%} of the sessions would have no theme; {most:.1%} is the most"]


def _spread(router: Router) -> float:
    prototypes = router.prototypes.astype(np.float64)
    cosines = prototypes @ prototypes.T
    apart = cosines[~np.eye(len(cosines), dtype=bool)]
    return float(apart.mean()) if len(apart) else 0.0
