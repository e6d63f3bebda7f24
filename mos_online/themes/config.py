"""How a router is fitted."""

from __future__ import annotations

from dataclasses import dataclass, field

from mos_online.themes.cooccurrence import TableConfig


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """How a router is fitted.

    Attributes:
        themes: K.
        fewer: where sessions have fewer distinct means than K, as on a short log, there are as many themes as these.
        table: of the routing table.
        unrouted_share: tau, the least cosine to a prototype that a session needs to be routed, leaves at most this
            share of the training sessions unrouted.
        most_tau: and tau is at most this. At 1/sqrt(3) a session is as near to each of three orthogonal themes; of
            planted sessions below it less than half went to the right theme, of those just above it 93 %.
        newest: at most so many of the newest events are learned from. On news, where the dimensions are soon used up
            by days gone by, one theme took 50 to 60 % of the next day's sessions after twelve days and 1.5 million
            events, and 30 to 35 % after the newest 300,000 of them.
        sample: prototypes are fitted on at most this many sessions.
        seed: of k-means and of the sample.
    """

    themes: int = 12
    fewer: bool = False
    table: TableConfig = field(default_factory=TableConfig)
    unrouted_share: float = 0.02
    most_tau: float = 0.577
    newest: int = 250_000
    sample: int = 50_000
    seed: int = 0
