"""How a router is revised, and what a revision must not do."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.themes.config import RouterConfig


@dataclass(frozen=True, kw_only=True)
class RevisionConfig:
    """How a router is revised from the newest sessions.

    Attributes:
        window: how many of the newest sessions a revision is made from.
        longest: of each the first distinct items of this number, so that a bot's cannot dominate.
        prior: the weight of an item's row in the base, in sessions.
        half_life: the weight of a session for the row of an item halves with so many later sessions *of that item*.
            Counted in sessions of all items instead, half-lives of 1,000 and 3,000 regained 92 % and 86 % of a planted
            drift with 2,000 sessions, a half-life of 8 of the item's own 98 %. In short sessions (3 events, a third of
            them alone) 8 regained 63 %, 4 regained 88 %, and 2 was too noisy afterwards; without a drift all are equal.
        same: an item whose company has a smaller cosine to its row in the base has moved. Without a second look at
            who has moved, 2,000 sessions regained 90 % of the themes of a planted drift instead of 97 %.
        moved_prior: the weight of the base row of such an item, in sessions.
        common: the share of the mean company that is taken off. Noise is in everybody's company: without this the
            prototypes come together (their mean cosine rose from .10 to .38 after a planted drift, and from .40 to .85
            with 30 % noise; with it to .05 and .59), and the gate would refuse what is good.
        least: items with a row of their own, counted by session, that an item without one must have met.
        prototype_half_life: the weight of a session for its theme's prototype halves with so many later sessions.
        prototype_prior: the weight of a prototype of the base, in sessions; it fades like that of the sessions.
        unrouted_share, most_tau: of tau, as in ``RouterConfig``.
    """

    window: int = 20_000
    longest: int = 50
    prior: float = 3.0
    half_life: float = 4.0
    same: float = 0.5
    moved_prior: float = 0.25
    common: float = 0.5
    least: int = 3
    prototype_half_life: float = 3_000.0
    prototype_prior: float = 500.0
    unrouted_share: float = RouterConfig.unrouted_share
    most_tau: float = RouterConfig.most_tau


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What a revision must not do to the sessions of its window, else the router in service stays.

    Attributes:
        most_moved: more than this share of the sessions may change their theme only if the newest tenth of them
            proves the revision better.
        most_moved_proven: more than this share never: ids would lose their meaning, which needs a new epoch.
        least_share, most_share: no theme may have a share of the sessions below ``least_share / K`` or above
            ``most_share / K``, unless it is no further out than with the router in service.
        most_spread: no mean cosine between two prototypes above this: rows that are learned from rows contract, and
            themes then no longer differ.
        most_unrouted: at most so many times the share without a theme that the base has.
        draws, seed: of the bootstrap over users that compares likelihoods.
    """

    most_moved: float = 0.10
    most_moved_proven: float = 0.35
    least_share: float = 0.25
    most_share: float = 4.0
    most_spread: float = 0.5
    most_unrouted: float = 2.0
    draws: int = 399
    seed: int = 0
