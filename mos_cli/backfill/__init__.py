"""``mos backfill``."""

from mos_cli.backfill.command import app

__all__ = ["app"]
