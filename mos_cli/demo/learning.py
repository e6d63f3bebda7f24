"""What learning was worth: a frozen model beside one that learns from the stream, on the very same requests."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from mos_cli.demo.log import DemoLog
from mos_cli.simulate.model import stream_rules
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.recommend.recommender import Recommender
from mos_online.registry import open_registry
from mos_online.registry.model_config import load_config
from mos_online.settings import Settings
from simulator.datasets.loader import synthetic_config
from simulator.loop.compose import LoopConfig, loop_with, virtual_loop
from simulator.loop.config import HOUR, Drift, Habits
from simulator.loop.log_clicks import clicks_of
from simulator.loop.log_visitors import LogVisitors
from simulator.loop.measured import Measured
from simulator.loop.probabilities import Probabilities, SimulatedFastWeights
from simulator.loop.served import Served
from simulator.loop.shelf import revise_by
from simulator.loop.tuned import SimulatedFineTuning
from simulator.loop.virtual import VirtualLoop
from simulator.population import populate

CLICKS, PAST = 12_000, 60_000
"""Clicks of a log that users answer with, and clicks before them that are in the profiles and counts."""
DRIFT_AT, DURATION = 2 * HOUR, 6 * HOUR
"""Of synthetic users."""
WINDOWS = 12
FROZEN, COUNTS, ONLINE, TUNED = "frozen", "counts", "online", "tuned"
"""Nothing moves; popularity and co-clicks are live; and the router is revised; and the model is fine-tuned, too."""

FINE_TUNINGS = 2
"""After equal parts of the time."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What was measured.

    Attributes:
        measured: of ``FROZEN``, ``COUNTS``, ``ONLINE`` and ``TUNED``, on the same requests.
        duration: of event time, ms.
        drift_at: ms after the start; None: nothing was changed on purpose.
        revisions: how often a revision was ``promoted`` or ``refused``.
        fine_tunings: how often a fine-tuned model was ``promoted`` or ``refused``, or was not made (``skipped``).
        probabilities: how right click probabilities were.

    Figures of the report are of the time after the drift, if there is one.
    """

    measured: Measured
    duration: int
    drift_at: int | None
    revisions: dict[str, int]
    fine_tunings: dict[str, int]
    probabilities: Probabilities

    def report(self) -> dict[str, Any]:
        """The key ``learned`` of the report."""
        measured, plain = self.measured, msgspec.to_builtins
        begin = 0 if self.drift_at is None else self.drift_at
        parts = [(self.duration * n // WINDOWS, self.duration * (n + 1) // WINDOWS) for n in range(WINDOWS)]
        ways = range(len(measured.names))
        return {
            "requests": len(measured.time),
            "drift_at_hours": None if self.drift_at is None else self.drift_at / HOUR,
            "ndcg": {measured.names[way]: plain(measured.quality(way, begin, self.duration)) for way in ways},
            "minus_frozen": {
                measured.names[way]: plain(measured.gain(way, 0, begin, self.duration)) for way in ways if way
            },
            "agreement": {
                measured.names[way]: measured.agreement(way, begin, self.duration) if len(measured.closed) else None
                for way in ways
            },
            "revisions": self.revisions,
            "fine_tunings": self.fine_tunings,
            "click_probabilities": plain(self.probabilities) if self.probabilities.items else None,
            "windows": [
                {
                    "hours": (first + last) / 2 / HOUR,
                    "ndcg": {measured.names[way]: plain(measured.quality(way, first, last)) for way in ways},
                }
                for first, last in parts
                if ((measured.time >= first) & (measured.time < last)).sum() > 1
            ],
        }


def compare_learning(log: DemoLog, dataset: str, settings: Settings) -> Learned:
    """Let users ask four ways of serving the same model, on a virtual clock; they see the lists of the last one.

    Users of a recorded log answer with their next clicks. Synthetic users go on after their log, and drift.

    Args:
        log: that the model was trained on and that was replayed.
        dataset: its name on the command line.
        settings: of the registry and the stream.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _compare(log, dataset, settings)
    finally:
        torch.set_num_threads(threads)


def _compare(log: DemoLog, dataset: str, settings: Settings) -> Learned:
    folder = open_registry(settings).fetch("champion")
    stated = load_config(folder)
    names = FROZEN, COUNTS, ONLINE, TUNED
    ways = [
        Served(name, Recommender.load(folder, gap_ms=settings.sessions.gap), stated.sizes, counts=name != FROZEN)
        for name in names
    ]
    loop, drift_at, duration = _loop(log, dataset, settings, ways, (stated.half_life_ms, stated.co_click_half_life_ms))
    revise_by(ways[2])
    with tempfile.TemporaryDirectory() as own:
        tuning = SimulatedFineTuning(
            ways[3],
            folder,
            Path(own),
            every=duration // (FINE_TUNINGS + 1),
            types=settings.sessions.types,
            gap_ms=settings.sessions.gap,
            config=FineTuneConfig(threads=1),
        )
        shelf, probabilities = revise_by(ways[3], registry=tuning.registry), SimulatedFastWeights()
        ways[3].parts += [tuning, probabilities]
        measured = loop.run(duration)
    return Learned(
        measured=measured,
        duration=duration,
        drift_at=drift_at,
        revisions=dict(shelf.told),
        fine_tunings=dict(tuning.told),
        probabilities=probabilities.found(loop.begin + (drift_at or 0)),
    )


def _loop(
    log: DemoLog, dataset: str, settings: Settings, ways: Sequence[Served], half_lives: tuple[float, float]
) -> tuple[VirtualLoop, int | None, int]:
    """The users and the ways, when a drift comes, and how long it takes (ms)."""
    synthetic, rules = synthetic_config(dataset), stream_rules(settings)
    if synthetic is not None:
        config = LoopConfig(habits=Habits(absence=2.0 * HOUR), drift=Drift(at=DRIFT_AT), categories=True)
        return virtual_loop(populate(synthetic), ways, config, rules, half_lives=half_lives), DRIFT_AT, DURATION
    clicks, categories = log.replayed.head(CLICKS), log.before.categories
    visitors = LogVisitors(clicks, categories, gap=settings.sessions.gap, length=10)
    past = clicks_of(log.before.clicks.tail(PAST), categories)
    duration = int(clicks["timestamp"][-1]) + 1 - visitors.begin
    return loop_with(visitors, past, ways, rules, half_lives=half_lives), None, duration
