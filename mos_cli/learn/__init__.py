"""``mos learn``."""

from mos_cli.learn.command import app

__all__ = ["app"]
