"""``mos validate``."""

from mos_cli.validate.command import app

__all__ = ["app"]
