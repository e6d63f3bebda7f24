"""The commands train as the library does: they name its defaults, which they do not import."""

from __future__ import annotations

from mos_cli.options import BACKBONE, MINUTES
from mos_online.training import TrainConfig


def test_the_options_name_the_defaults_of_training() -> None:
    assert (TrainConfig.backbone, TrainConfig.minutes) == (BACKBONE, MINUTES)
