"""The visitors of the demo."""

from __future__ import annotations

from mos_cli.demo.log import DemoLog
from mos_online.settings import Settings
from simulator.visitors import Visitors

REQUESTS = 3000
"""About so many visitors ask for a recommendation during a replay; asking is waited for, so never for more than one
click in ``SELDOM``."""

SELDOM = 10


def visitors_of(log: DemoLog, settings: Settings) -> Visitors:
    """Visitors who ask the running service.

    Args:
        log: the number of replayed clicks says how seldom a visitor asks.
        settings: of the service and of the sessions.
    """
    return Visitors(
        url=settings.recommend_url,
        api_key=settings.api_key,
        gap=settings.sessions.gap,
        every=max(SELDOM, len(log.replayed) // REQUESTS),
    )
