"""``mos simulate model``: a trained model answers users whose wishes are known."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mos_cli.experiments.results import status_table
from mos_cli.progress import progress_bar
from mos_cli.simulate.options import population_of
from mos_online.experiments.plan import milliseconds
from mos_online.experiments.result import ExperimentResult
from mos_online.items.user_limits import UserLimits
from mos_online.metrics import Estimate
from mos_online.recommend.recommender import Recommender
from mos_online.registry import open_registry
from mos_online.registry.model_config import load_config
from mos_online.settings import Settings
from simulator.loop.compose import LoopConfig, StreamRules, virtual_loop
from simulator.loop.config import HOUR
from simulator.loop.divided import Divided
from simulator.loop.measured import Measured
from simulator.loop.served import Served
from simulator.loop.shelf import revise_by
from simulator.loop.virtual import Progress

MINUTE = 60_000


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in a part of the time; hours since the start.

    Attributes:
        begin, end: of the part, in hours.
        requests, clicks: lists that were shown, and clicks on them.
        ndcg: by way of serving, of its lists on these requests, with the true relevance as gain.
        minus_frozen: how much more NDCG each other way has on these requests.
        agreement: by way of serving, of its themes with the true ones (normalised mutual information).
    """

    begin: float
    end: float
    requests: int
    clicks: int
    ndcg: dict[str, Estimate]
    minus_frozen: dict[str, Estimate]
    agreement: dict[str, float]


class ModelResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation with a model found.

    Attributes:
        model_version: of the model.
        drift_at: hours until the drift; null if there was none.
        windows: in order.
        experiment: what an experiment with two arms has found; null without one.
        true_lift: what the lists of the treated arm are worth, in clicks and relative to the control, for the very
            same requests of users in their windows; null without an experiment.
        learned: by way of serving, what its parts say of themselves.
        requests_per_second: of the simulation, by the clock.
    """

    model_version: str
    drift_at: float | None
    windows: list[Window]
    learned: dict[str, list[dict[str, object]]]
    experiment: ExperimentResult | None
    true_lift: float | None
    requests_per_second: float


def simulate_model(
    settings_of_users: str,
    version: str,
    config: LoopConfig,
    *,
    duration: int,
    learn: bool,
    experiment: bool,
    windows: int,
    settings: Settings,
    as_json: bool,
    console: Console,
) -> None:
    """Simulate and print what was measured.

    Raises:
        DatasetError, ModelError, SettingsError: what is asked for cannot be simulated.
    """
    population = population_of(settings_of_users)
    folder = open_registry(settings).fetch(version)
    stated = load_config(folder)
    ways = [Served("frozen", Recommender.load(folder, gap_ms=settings.sessions.gap), stated.sizes)]
    if learn or experiment:
        ways.append(Served("online", Recommender.load(folder, gap_ms=settings.sessions.gap), stated.sizes))
        revise_by(ways[-1])
    rules = stream_rules(settings)
    divided = _divided(ways, rules, duration, config.seed) if experiment else None
    loop = virtual_loop(
        population,
        ways,
        config,
        rules,
        half_lives=(stated.half_life_ms, stated.co_click_half_life_ms),
        divided=divided,
    )
    began = time.perf_counter()
    with progress_bar(Console(stderr=True), counted=False, transient=True) as bar:
        task = bar.add_task("simulating", total=1.0)

        def show(now: Progress) -> None:
            bar.update(task, completed=now.time / now.duration, note=f"{now.requests:,} requests")

        measured = loop.run(duration, show)
    result = ModelResult(
        model_version=stated.version,
        drift_at=None if config.drift is None else config.drift.at / HOUR,
        windows=[_window(measured, *_part(duration, n, windows)) for n in range(windows)],
        learned={way.name: [dict(part.status()) for part in way.parts] for way in ways},
        experiment=divided.result() if divided is not None else None,
        true_lift=measured.lift(1, 0, milliseconds(divided.plan.window)) if divided is not None else None,
        requests_per_second=len(measured.time) / (time.perf_counter() - began),
    )
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    console.print(_table(result.windows, measured.names))
    console.print(
        f"{len(measured.time):,} requests to {result.model_version}, {measured.clicks.sum():,} clicks on lists; "
        f"{result.requests_per_second:,.0f} requests/s",
        highlight=False,
        soft_wrap=True,
    )
    if result.experiment is not None:
        console.print(status_table([result.experiment]))
        console.print(
            f"true: on the same requests the lists of {measured.names[1]} are worth {result.true_lift:+.1%} clicks",
            highlight=False,
            soft_wrap=True,
        )


def _divided(ways: Sequence[Served], rules: StreamRules, duration: int, seed: int) -> Divided:
    """The users in two arms; a window is a quarter of the time."""
    minutes = max(4, duration // MINUTE)
    return Divided(
        ways,
        window=f"{minutes // 4}m",
        duration=f"{minutes}m",
        sessions=rules.sessions,
        rules=rules.outcomes,
        seed=seed,
    )


def stream_rules(settings: Settings) -> StreamRules:
    """The rules of a worker with these settings."""
    return StreamRules(
        sessions=settings.sessions,
        outcomes=settings.join_rules,
        limits=UserLimits(per_item=settings.popularity_item_limit, in_all=settings.popularity_user_limit),
    )


def _part(duration: int, number: int, windows: int) -> tuple[int, int]:
    return duration * number // windows, duration * (number + 1) // windows


def _window(measured: Measured, begin: int, end: int) -> Window:
    of = (measured.time >= begin) & (measured.time < end)
    return Window(
        begin=begin / HOUR,
        end=end / HOUR,
        requests=int(of.sum()),
        clicks=int(measured.clicks[of].sum()),
        ndcg={name: measured.quality(way, begin, end) for way, name in enumerate(measured.names)},
        minus_frozen={name: measured.gain(way, 0, begin, end) for way, name in enumerate(measured.names) if way},
        agreement={name: measured.agreement(way, begin, end) for way, name in enumerate(measured.names)},
    )


def _table(windows: Sequence[Window], names: Sequence[str]) -> Table:
    columns = [f"{metric} {name}" for name in names for metric in ("NDCG", "NMI")]
    columns += [f"{name} - frozen" for name in names[1:]]
    table = Table("hours", "lists", "clicks per list", *columns, box=SIMPLE)
    for one in windows:
        cells = [cell for name in names for cell in (_estimate(one.ndcg[name]), f"{one.agreement[name]:.3f}")]
        cells += [_estimate(gain) for gain in one.minus_frozen.values()]
        rate = f"{one.clicks / one.requests:.3f}" if one.requests else ""
        table.add_row(f"{one.begin:g} to {one.end:g}", f"{one.requests:,}", rate, *cells)
    return table


def _estimate(found: Estimate) -> str:
    return f"{found.mean:.3f} ± {(found.high - found.low) / 2:.3f}"
