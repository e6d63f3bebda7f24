"""What can be wrong with an installation, one file per part; joined by `mos doctor`."""

from mos_cli.doctor.command import app

__all__ = ["app"]
