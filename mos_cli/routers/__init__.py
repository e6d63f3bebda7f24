"""``mos routers``."""

from mos_cli.routers.command import app

__all__ = ["app"]
