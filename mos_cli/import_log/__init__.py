"""``mos import``."""

from mos_cli.import_log.command import app

__all__ = ["app"]
