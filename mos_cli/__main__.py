"""``python -m mos_cli`` and ``mos``: a Ctrl-C ends them without a traceback also while they import."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from mos_cli.main import main as run  # noqa: PLC0415 - takes most of a second

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
