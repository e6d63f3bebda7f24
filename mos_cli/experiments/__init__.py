"""``mos experiments``."""

from mos_cli.experiments.command import app

__all__ = ["app"]
