"""``mos train``."""

from mos_cli.train.command import app

__all__ = ["app"]
