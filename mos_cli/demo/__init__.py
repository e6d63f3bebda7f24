"""The demo: the whole system on one machine, on a real or a synthetic log, judged while it runs."""

from mos_cli.demo.command import app

__all__ = ["app"]
