"""The visitors of the demo, with baselines that have learned from the clicks before the replay."""

from __future__ import annotations

from mos_cli.demo.log import DemoLog
from mos_online.baselines import LastItemKnn, RecentPopularity, knn_half_life
from mos_online.items.clicks import to_clicks
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.settings import Settings
from simulator.visitors import Visitors

REQUESTS = 3000
"""About so many visitors ask for a recommendation during a replay; asking is waited for, so never for more than one
click in ``SELDOM``."""

SELDOM = 10


def visitors_of(log: DemoLog, half_life_ms: float, settings: Settings) -> Visitors:
    """Visitors who ask the running service.

    Args:
        log: its newest clicks before the replay teach the baselines; the number of replayed clicks says how seldom a
            visitor asks.
        half_life_ms: of the popularity that the baselines count.
        settings: of the service and of the sessions.
    """
    popularity = RecentPopularity(half_life_ms=half_life_ms)
    knn = LastItemKnn(gap_ms=settings.sessions.gap, half_life_ms=knn_half_life(half_life_ms), fill=popularity)
    for click in to_clicks(log.before.clicks.tail(WARM_UP_CLICKS), log.before.categories):
        popularity.observe(click)
        knn.observe(click)
    return Visitors(
        url=settings.recommend_url,
        api_key=settings.api_key,
        gap=settings.sessions.gap,
        every=max(SELDOM, len(log.replayed) // REQUESTS),
        popularity=popularity,
        knn=knn,
    )
