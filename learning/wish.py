"""What has been asked for and not been done yet; it outlives the process."""

from __future__ import annotations

import logging
from pathlib import Path

from mos_online.learning.whole_file import replace_file

log = logging.getLogger(__name__)


class Wish:
    """Asked for until it is granted.

    Attributes:
        why: it is asked for; None if it is not.
    """

    def __init__(self, path: Path) -> None:
        """Read what an earlier process has been asked for."""
        self._path = path
        try:
            self.why: str | None = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.why = None

    def make(self, why: str) -> None:
        """Ask for it. A disk that cannot be written costs the wish only if the process is killed, too."""
        self.why = why
        try:
            replace_file(self._path, why.encode())
        except OSError as error:
            log.error("%s cannot be written, so a restart forgets it: %s", self._path, error)

    def grant(self, why: str) -> None:
        """It has been done for this reason; if there is another one by now, it is still asked for."""
        if self.why == why:
            self._path.unlink(missing_ok=True)
            self.why = None
