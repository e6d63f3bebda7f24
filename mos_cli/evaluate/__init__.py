"""``mos evaluate``."""

from mos_cli.evaluate.command import app

__all__ = ["app"]
