"""``mos analyze``: what a log is good for, before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mos_cli.extras import need_evaluation
from mos_cli.options import DatasetsOption, FormatOption, MaxRefusedOption, ZoneOption

app = typer.Typer(no_args_is_help=True)


@app.callback()
def analyze() -> None:
    """What a log is good for, before anything is trained on it."""


@app.command()
def hopping(
    *,
    dataset: DatasetsOption,
    format_name: FormatOption = None,
    zone: ZoneOption = None,
    max_refused: MaxRefusedOption = None,
    themes: Annotated[int, typer.Option(help="Latent themes at most; a small log gets fewer.", min=2)] = 12,
    events: Annotated[
        int, typer.Option(help="Of a longer log about so many events are read, with whole users.", min=1000)
    ] = 300_000,
    out: Annotated[
        Path | None, typer.Option(help="Folder of hopping.json and the figures (default: MOS_HOME/analyze/DATASET).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
) -> None:
    """Do users hop between themes: has a log the structure that MoS uses?

    Sessions are cut as everywhere (MOS_SESSION_GAP); if times are whole days, a session is a day. Themes are learned
    from 70 % of the users, all figures are of the others. How to read them: docs/hopping.md.
    """
    need_evaluation()
    from evaluation.hopping.analysis import measure_hopping  # noqa: PLC0415
    from evaluation.hopping.report import note, row, table, write_report  # noqa: PLC0415
    from evaluation.results.store import folder_name  # noqa: PLC0415
    from mos_cli.read_log import read_log  # noqa: PLC0415
    from mos_online.errors import SettingsError  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from simulator.datasets import ReadOptions  # noqa: PLC0415

    if out is not None and len(dataset) > 1:
        raise SettingsError(f"--out {out} is one folder for {len(dataset)} datasets: leave it out, or name one dataset")
    configured, console = settings(), Console()
    shown, notes, options = table(), [], ReadOptions(zone, max_refused)
    for name in dataset:
        data = read_log(name, format_name, options, settings=configured, console=console, clock=False)
        rules = data.session_rules(configured.sessions)
        analysis = measure_hopping(
            data.clicks, data.items, sessions=rules, themes=themes, most_events=events, seed=seed
        )
        folder = out or configured.home / "analyze" / folder_name(name).replace(":", "_")
        write_report(analysis, name, folder)
        shown.add_row(*row(name, analysis.figures))
        notes.append((note(name, analysis.figures), folder))
    natural = console.measure(shown, options=console.options.update(max_width=2000)).maximum
    Console(width=natural).print(shown)  # Markdown: no cell is broken or cut, however narrow the terminal
    for text, folder in notes:
        console.print(text, highlight=False, soft_wrap=True)
        console.print(f"  figures: {folder}", highlight=False, soft_wrap=True)
