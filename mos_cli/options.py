"""Options that several verbs take: written once, so that they mean and say the same everywhere.

What ``--dataset`` can name is read by ``simulator.datasets.load``, and by nothing else.
"""

from __future__ import annotations

from typing import Annotated

import typer

_READING = "Reading of --dataset"

_DATASET = (
    "A folder of MOS_DATA_DIR, the path of such a folder (./mine), the path of a file of a public format, `synthetic`, "
    "a population with known themes, or `synthetic:hop=0.8,noise=0.1`, with settings of it."
)

DatasetOption = Annotated[str, typer.Option("--dataset", help=_DATASET)]
DatasetsOption = Annotated[list[str], typer.Option("--dataset", help=f"{_DATASET} May be repeated.")]
DatasetsOfPlanOption = Annotated[
    list[str] | None, typer.Option("--dataset", help=f"{_DATASET} May be repeated (default: those of the plan).")
]
DatasetOfDemoOption = Annotated[
    str | None,
    typer.Option("--dataset", help=f"{_DATASET} (default: globo_news if MOS_DATA_DIR has it, else synthetic)."),
]
DatasetToJudgeOption = Annotated[
    str | None, typer.Option("--dataset", help=f"{_DATASET} (default: none; see --topic).")
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="--dataset is the path of a file, or of a folder of files, in this public format; a wrong one lists all. "
        "Without it the format of a file is recognised.",
        rich_help_panel=_READING,
    ),
]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        "--zone",
        help="Zone of times that name none, such as Europe/Berlin (default: the publication's, or UTC).",
        rich_help_panel=_READING,
    ),
]
MaxRefusedOption = Annotated[
    float | None,
    typer.Option(
        "--max-refused",
        min=0,
        max=1,
        help="Share of the rows that may be left out because they cannot be used (default: 0.01 of a file, none of a "
        "dataset folder).",
        rich_help_panel=_READING,
    ),
]
SpeedOption = Annotated[str, typer.Option("--speed", help="600x (times real time), 800/s (clicks per second) or max.")]
FromOption = Annotated[
    str,
    typer.Option("--from", help="Where to begin: 0.8 leaves out the first 80 % of clicks; or an ISO time (UTC)."),
]
UntilOption = Annotated[
    str,
    typer.Option("--until", help="Where to end: 0.8 takes the first 80 % of clicks, 1 all; or an ISO time (UTC)."),
]
BACKBONE, MINUTES = "pooling", 3.0
"""Of ``TrainConfig``, which is not imported here: that takes seconds, and the help is asked for often."""

BackboneOption = Annotated[
    str, typer.Option("--backbone", help="Sequence encoder: pooling, gru4rec, sasrec or mamba4rec.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="Where the model is fitted: auto (a GPU if there is one), cpu or cuda.")
]
MinutesOption = Annotated[float, typer.Option("--minutes", help="Time budget for fitting the model.", min=0.05)]
