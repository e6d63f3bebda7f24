"""``mos models``."""

from mos_cli.models.command import app

__all__ = ["app"]
