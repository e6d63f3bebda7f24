"""Training with a progress bar and a line of results; for ``mos train`` and ``mos demo``."""

from __future__ import annotations

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mos_online.registry.registry import Registry
from mos_online.settings import Settings
from mos_online.training import TrainConfig, TrainReport, train


def train_and_show(
    events: pl.DataFrame, items: pl.DataFrame, *, name: str, config: TrainConfig, settings: Settings, console: Console
) -> TrainReport:
    """Train on these events, put the model into service, and say how good it is beside the baselines.

    Raises:
        DatasetError, ModelError: as ``mos_online.training.train``.
    """
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, part: float, words: str) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0, note="")
            bar.update(tasks[stage], completed=part, note=words)

        report = train(
            events,
            items,
            Registry(settings.models_dir),
            sessions=settings.sessions,
            config=config,
            name=name,
            on_progress=show,
        )
    console.print(
        f"trained [bold]{report.version}[/] on {report.examples:,} clicks in {report.seconds:.0f} s, "
        f"{len(report.theme_labels) - 1} themes, {report.items:,} items"
    )
    rows = [("MoS", report.mos_hit_rate, report.mos_ndcg)]
    rows += [(who, m["hit_rate_at_10"].mean, m["ndcg_at_10"].mean) for who, m in report.baselines.items()]
    words = ", ".join(f"{who} {hits:.3f} / {gain:.3f}" for who, hits, gain in rows)
    console.print(
        f"validation, {report.validation_examples:,} next clicks, hit-rate / NDCG at 10: {words}", highlight=False
    )
    return report
