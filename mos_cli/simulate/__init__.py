"""``mos simulate``."""

from mos_cli.simulate.command import app

__all__ = ["app"]
