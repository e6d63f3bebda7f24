"""``mos simulate arms | model | service``: users who answer what is recommended to them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from mos_cli.options import FromOption

app = typer.Typer(no_args_is_help=True)

_HABITS, _PLANTED = "Habits of the users", "What is true"

PopulationOption = Annotated[
    str,
    typer.Option(
        help="Settings of the population, such as users=50000,hop=0.8 (default: those of `synthetic`). Its users go on "
        "where the log `--dataset synthetic:users=50000,hop=0.8` of other commands ends.",
    ),
]
HoursOption = Annotated[float, typer.Option(min=0.1, help="Hours of event time.")]
LengthOption = Annotated[int, typer.Option(min=1, max=100, help="Items of a list.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of everything random.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document (default: tables).")]
ClicksOption = Annotated[
    str,
    typer.Option(
        help="position: each place is looked at with a probability of its own. cascade: from the top down to the first "
        "click.",
        rich_help_panel=_HABITS,
    ),
]
OrganicOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Probability that a user clicks an item that is not from the list.", rich_help_panel=_HABITS
    ),
]
AbsenceOption = Annotated[
    float, typer.Option(min=0, help="Mean hours between two visits of a user.", rich_help_panel=_HABITS)
]
DriftOption = Annotated[
    float | None, typer.Option(min=0, help="Hours until the drift (default: none).", rich_help_panel=_PLANTED)
]
MovedOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the items that the drift moves.", rich_help_panel=_PLANTED)
]
ReplacedOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share of the items that the drift replaces by new ones.", rich_help_panel=_PLANTED
    ),
]
TrendOption = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of the users whom the drift sends to one theme.", rich_help_panel=_PLANTED),
]


@app.command()
def arms(
    *,
    population: PopulationOption = "users=50000",
    hours: HoursOption = 168.0,
    length: LengthOption = 10,
    effect: Annotated[
        float,
        typer.Option(help="The relevance of all items is (1 + effect) times as large.", rich_help_panel=_PLANTED),
    ] = 0.1,
    novelty: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Hours after which half of the effect is gone (default: it stays).", rich_help_panel=_PLANTED
        ),
    ] = None,
    lost: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the treated users who are missing.", rich_help_panel=_PLANTED),
    ] = 0.0,
    drift_at: DriftOption = None,
    moved: MovedOption = 0.3,
    replaced: ReplacedOption = 0.2,
    trend: TrendOption = 0.1,
    clicks: ClicksOption = "position",
    organic: OrganicOption = 0.3,
    absence: AbsenceOption = 12.0,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Let many users answer a ranker without a model, in two arms, and judge the difference as an experiment would.

    The effect is planted, so the true answer is known. With --effect 0 both arms are the same (A/A). Nothing needs to
    be trained or to run.
    """
    from mos_cli.simulate.arms import simulate_arms  # noqa: PLC0415
    from mos_cli.simulate.options import drift_of, habits_of  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.loop.config import HOUR, Arm  # noqa: PLC0415

    settings()
    treated = Arm(name="treated", effect=effect, novelty=None if novelty is None else novelty * HOUR, lost=lost)
    simulate_arms(
        population,
        [Arm(name="control"), treated],
        habits=habits_of(clicks=clicks, organic=organic, absence=absence),
        drift=drift_of(drift_at, moved=moved, replaced=replaced, trend=trend),
        duration=round(hours * HOUR),
        length=length,
        seed=seed,
        as_json=as_json,
        console=Console(),
    )


@app.command()
def model(
    *,
    population: PopulationOption = "",
    version: Annotated[str, typer.Option(help="A version of the model, or an alias.")] = "champion",
    hours: HoursOption = 24.0,
    learn: Annotated[
        bool, typer.Option("--learn", help="Beside the frozen router answer with one that is revised from the stream.")
    ] = False,
    experiment: Annotated[
        bool,
        typer.Option(
            "--experiment", help="Divide the users: each sees the lists of one router, which learns from its own users."
        ),
    ] = False,
    windows: Annotated[int, typer.Option(min=1, max=1000, help="Rows of the table: parts of the time.")] = 12,
    length: LengthOption = 10,
    drift_at: DriftOption = None,
    moved: MovedOption = 0.3,
    replaced: ReplacedOption = 0.2,
    trend: TrendOption = 0.1,
    clicks: ClicksOption = "position",
    organic: OrganicOption = 0.3,
    absence: AbsenceOption = 12.0,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Let users of a synthetic log answer a trained model, on a virtual clock.

    With --learn two routers answer the very same requests: the one of the model, and one that is revised. With
    --experiment each user sees the lists of one of them, and the two are judged as an experiment judges them.

    Sessions, profiles, counts and outcomes are made by the code of the worker, without Kafka; no service runs. Train
    the model on the log of the same population before: `mos train --dataset synthetic`.
    """
    from mos_cli.simulate.model import simulate_model  # noqa: PLC0415
    from mos_cli.simulate.options import drift_of, habits_of  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.loop.compose import LoopConfig  # noqa: PLC0415
    from simulator.loop.config import HOUR  # noqa: PLC0415

    simulate_model(
        population,
        version,
        LoopConfig(
            habits=habits_of(clicks=clicks, organic=organic, absence=absence),
            drift=drift_of(drift_at, moved=moved, replaced=replaced, trend=trend),
            length=length,
            seed=seed,
        ),
        duration=round(hours * HOUR),
        learn=learn,
        experiment=experiment,
        windows=windows,
        settings=settings(),
        as_json=as_json,
        console=Console(),
    )


@app.command()
def service(
    *,
    population: PopulationOption = "",
    log: Annotated[
        str | None,
        typer.Option(
            help="Instead: a dataset, as for `mos replay`. Its users answer with their own next clicks where the list "
            "has them (default: none)."
        ),
    ] = None,
    start: FromOption = "0",
    speed: Annotated[
        str, typer.Option("--speed", help="600x (times real time), 50/s (requests per second) or max.")
    ] = "60x",
    hours: HoursOption = 1.0,
    length: LengthOption = 10,
    effect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPERIMENT/ARM=EFFECT",
            help="The relevance of all items is (1 + effect) times as large for users whom the service answers in this "
            "arm. May be repeated (default: none).",
            rich_help_panel=_PLANTED,
        ),
    ] = None,
    drift_at: DriftOption = None,
    moved: MovedOption = 0.3,
    replaced: ReplacedOption = 0.2,
    trend: TrendOption = 0.1,
    clicks: ClicksOption = "position",
    organic: OrganicOption = 0.3,
    absence: AbsenceOption = 2.0,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Let users ask a running service for lists, and send it what they see and click.

    `mos up` must run. Requests go to POST /v1/recommend/batch, impressions and clicks to POST /v1/events. If the
    service goes away, the same call is made again until it answers. Stop with Ctrl-C. The last sessions stay open
    until somebody clicks a session gap later.
    """
    from mos_cli.simulate.options import drift_of, habits_of, population_of, users_of_log  # noqa: PLC0415
    from mos_cli.simulate.service import simulate_service  # noqa: PLC0415
    from mos_online.errors import SettingsError  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.loop.compose import LoopConfig, crowd_visitors  # noqa: PLC0415
    from simulator.loop.config import HOUR  # noqa: PLC0415
    from simulator.loop.planted import planted  # noqa: PLC0415
    from simulator.loop.service import SiteClient  # noqa: PLC0415
    from simulator.loop.visitors import Visitors  # noqa: PLC0415
    from simulator.replay.speed import Speed  # noqa: PLC0415

    if log is not None and effect:
        raise SettingsError("--effect: users of a recorded log click what they clicked; leave out --log or --effect")
    configured, pace, console = settings(), Speed.parse(speed), Console()
    config = LoopConfig(
        habits=habits_of(clicks=clicks, organic=organic, absence=absence),
        drift=drift_of(drift_at, moved=moved, replaced=replaced, trend=trend),
        length=length,
        seed=seed,
    )
    visitors: Visitors
    if log is None:
        visitors = crowd_visitors(population_of(population), config, configured.sessions)
    else:
        visitors = users_of_log(log, start=start, length=length, settings=configured, console=Console(stderr=True))
    with SiteClient(configured) as client:
        finished = simulate_service(
            visitors,
            client,
            speed=pace,
            duration=round(hours * HOUR),
            effects=planted(effect or [], config.habits),
            as_json=as_json,
            console=console,
        )
    if not finished:
        raise typer.Exit(130)
