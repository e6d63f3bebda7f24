"""``mos replay``."""

from mos_cli.replay.command import app

__all__ = ["app"]
