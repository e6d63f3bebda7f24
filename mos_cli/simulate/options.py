"""From options of ``mos simulate`` to what is simulated."""

from __future__ import annotations

from typing import Literal, cast

from rich.console import Console

from mos_cli.read_log import read_log
from mos_online.errors import SettingsError
from mos_online.settings import Settings
from simulator.datasets import ReadOptions
from simulator.loop.config import HOUR, Drift, Habits
from simulator.loop.log_visitors import LogVisitors
from simulator.population import Population, SyntheticConfig, populate
from simulator.window import window

CLICKS = ("position", "cascade")


def habits_of(*, clicks: str, organic: float, absence: float) -> Habits:
    """The habits that these options ask for.

    Raises:
        SettingsError: ``clicks`` is no model of clicks, or a value is out of range.
    """
    if clicks not in CLICKS:
        raise SettingsError(f"--clicks {clicks}: there are {' and '.join(CLICKS)}")
    chosen = cast('Literal["position", "cascade"]', clicks)
    return Habits(clicks=chosen, organic=organic, absence=absence * HOUR)


def drift_of(hours: float | None, *, moved: float, replaced: float, trend: float) -> Drift | None:
    """The drift after so many hours; None if there is none."""
    return None if hours is None else Drift(at=round(hours * HOUR), moved=moved, replaced=replaced, trend=trend)


def population_of(settings: str) -> Population:
    """The population that ``--population`` describes.

    Raises:
        DatasetError: a setting is unknown or out of range.
    """
    return populate(SyntheticConfig.parse(settings) if settings else SyntheticConfig())


def users_of_log(log: str, *, start: str, length: int, settings: Settings, console: Console) -> LogVisitors:
    """The users of a recorded log, from the beginning that ``--from`` names on.

    Raises:
        DatasetError: there is no such log, or nothing is left of it.
    """
    data = read_log(log, None, ReadOptions(None, None), settings=settings, console=console)
    return LogVisitors(
        window(data.clicks, start=start, count=None),
        data.categories,
        gap=data.session_rules(settings.sessions).gap,
        length=length,
    )
