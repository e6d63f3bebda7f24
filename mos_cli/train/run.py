"""Training with a progress bar and a line of results; for ``mos train`` and ``mos demo``."""

from __future__ import annotations

from contextlib import ExitStack

from rich.console import Console
from rich.progress import TaskID

from mos_cli.progress import progress_bar
from mos_cli.train.workers import fitter_on_ray
from mos_online.recommend.probe import check_model
from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.training import TrainConfig, TrainReport, train
from mos_online.training.fitting import fit_here
from simulator.dataset import Dataset


def train_and_show(
    log: Dataset,
    *,
    name: str,
    config: TrainConfig,
    settings: Settings,
    console: Console,
    promote: bool = True,
    workers: int | None = None,
) -> TrainReport:
    """Train on the clicks of a log, put the model into service, and say how good it is beside the baselines.

    Args:
        log: all of it is learned from.
        name: of the dataset, for the model's card.
        config: of the model and its fitting.
        settings: of the registry and the sessions.
        console: for the bar and the result.
        promote: whether to put it into service, if it passes the check of every promotion; else it stays the
            candidate.
        workers: of Ray Train, in which the model is fitted; None: in this process.

    Raises:
        DatasetError, ModelError: as ``mos_online.training.train``; or the model is not fit to be put into service.
        ServingError: Ray does not start, or cannot be reached.
    """
    registry = open_registry(settings)
    with ExitStack() as stack:
        fitter = fit_here if workers is None else stack.enter_context(fitter_on_ray(settings, workers))
        bar = stack.enter_context(progress_bar(console, counted=False, transient=True))
        tasks: dict[str, TaskID] = {}

        def show(stage: str, part: float, words: str) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=part, note=words)

        report = train(
            log.clicks,
            log.items,
            registry,
            sessions=log.session_rules(settings.sessions),
            config=config,
            name=name,
            on_progress=show,
            fitter=fitter,
        )
    console.print(
        f"trained [bold]{report.version}[/] on {report.examples:,} clicks in {report.seconds:.0f} s, "
        f"{len(report.theme_labels) - 1} themes, {report.items:,} items"
    )
    rows = [("MoS", report.mos_hit_rate, report.mos_ndcg)]
    rows += [("nothing mixed in", report.alone_hit_rate, report.alone_ndcg)]
    rows += [(who, m["hit_rate_at_10"].mean, m["ndcg_at_10"].mean) for who, m in report.baselines.items()]
    words = ", ".join(f"{who} {hits:.3f} / {gain:.3f}" for who, hits, gain in rows)
    console.print(
        f"validation, {report.validation_examples:,} next clicks, hit-rate / NDCG at 10: {words}", highlight=False
    )
    if report.ahead_examples:
        console.print(
            f"lists for the next session, {report.ahead_examples:,} of them, NDCG at 10: {report.ahead_ndcg:.3f}, "
            f"made as lists for now {report.ahead_as_now_ndcg:.3f}; this was chosen by them",
            highlight=False,
        )
    if promote:
        registry.promote(report.version, check_model)
    return report
