"""``mos dead-letters``: looks at the records that could not be used, and sends them again."""

from mos_cli.dead_letters.command import app

__all__ = ["app"]
