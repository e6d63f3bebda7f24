"""Puts together a simulation with the real recommender."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mos_online.contracts import Click
from mos_online.feedback.rules import JoinRules
from mos_online.items.user_limits import UserLimits
from mos_online.sessions import SessionConfig
from simulator.loop.config import Arm, Drift, Habits
from simulator.loop.crowd import Crowd
from simulator.loop.crowd_visitors import CrowdVisitors
from simulator.loop.divided import Divided
from simulator.loop.log_clicks import clicks_of
from simulator.loop.rounds import check
from simulator.loop.served import Served
from simulator.loop.stream import VirtualStream
from simulator.loop.virtual import VirtualLoop
from simulator.loop.visitors import Visitors
from simulator.loop.world import World
from simulator.population import Population


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What happens in a simulation; the same values give the same requests.

    Attributes:
        habits: of the users.
        drift: what changes; None for nothing.
        arm: the users' own, with its effect.
        length: of the lists.
        categories: whether clicks name the category of their item, which moved items keep.
        seed: of everything random.
    """

    habits: Habits = field(default_factory=Habits)
    drift: Drift | None = None
    arm: Arm = field(default_factory=lambda: Arm(name="all"))
    length: int = 10
    categories: bool = False
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class StreamRules:
    """By what the stream works, as in the settings of a worker.

    Attributes:
        sessions: of the sessionizer.
        outcomes: of the joiner.
        limits: of what a user adds to the counts.
    """

    sessions: SessionConfig = field(default_factory=SessionConfig)
    outcomes: JoinRules = field(default_factory=JoinRules)
    limits: UserLimits = field(default_factory=lambda: UserLimits(per_item=5.0, in_all=100.0))


def virtual_loop(
    population: Population,
    served: Sequence[Served],
    config: LoopConfig,
    rules: StreamRules,
    *,
    half_lives: tuple[float, float],
    shown: int = -1,
    divided: Divided | None = None,
) -> VirtualLoop:
    """A loop that begins where the population's log ends; its clicks are in the profiles and in the counts.

    Args:
        population: the users.
        served: the ways of serving; see ``VirtualLoop``.
        config: what happens.
        rules: of the stream.
        half_lives: of popularity and of co-clicks, ms, as the model states them.
        shown, divided: see ``VirtualLoop``.

    Raises:
        SettingsError: lists longer than a ring, or an effect too large to be exact.
    """
    visitors = crowd_visitors(population, config, rules.sessions)
    past = clicks_of(population.dataset.events, population.dataset.categories if config.categories else {})
    return loop_with(visitors, past, served, rules, half_lives=half_lives, shown=shown, divided=divided)


def loop_with(
    visitors: Visitors,
    past: Iterable[Click],
    served: Sequence[Served],
    rules: StreamRules,
    *,
    half_lives: tuple[float, float],
    shown: int = -1,
    refresh: int = 1000,
    divided: Divided | None = None,
) -> VirtualLoop:
    """A loop of any visitors.

    Args:
        visitors: who asks.
        past: clicks before they begin, in order; they are in the profiles and in the counts.
        served, rules, half_lives, shown, divided: as for ``virtual_loop``.
        refresh: after so many requests the recommenders get the newest counts.

    Raises:
        SettingsError: as ``VirtualLoop``.
    """
    half_life, co_click_half_life = half_lives
    stream = VirtualStream(
        rules.sessions,
        rules.outcomes,
        rules.limits,
        half_life_ms=half_life,
        co_click_half_life_ms=co_click_half_life,
    )
    loop = VirtualLoop(visitors, stream, served, shown=shown, refresh=refresh, divided=divided)
    loop.begin_with(past)
    return loop


def crowd_visitors(population: Population, config: LoopConfig, sessions: SessionConfig) -> CrowdVisitors:
    """The users of a population, from a session gap after the end of their log on.

    Raises:
        SettingsError: lists longer than a ring, or an effect too large to be exact.
    """
    check(population, [config.arm], config.length)
    world = World.of(population, config.drift, config.seed)
    users = np.arange(population.config.users)
    crowd = Crowd(
        population,
        world,
        config.habits,
        [config.arm],
        users=users,
        arm=np.zeros_like(users),
        length=config.length,
        seed=config.seed,
    )
    end = int(population.dataset.events["timestamp"][-1])
    return CrowdVisitors(
        population,
        world,
        crowd,
        begin=end + sessions.gap + sessions.lateness + 1,
        gap=sessions.gap,
        length=config.length,
        categories=config.categories,
    )
