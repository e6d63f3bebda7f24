"""What has been asked for and not been done yet; it outlives the process."""

from __future__ import annotations

import logging
from pathlib import Path

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
            self.why: str | None = path.read_text()
        except FileNotFoundError:
            self.why = None

    def make(self, why: str) -> None:
        """Ask for it. A disk that cannot be written costs the wish only if the process is killed, too."""
        self.why = why
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_text(why)
            draft.replace(self._path)
        except OSError as error:
            log.error("%s cannot be written, so a restart forgets it: %s", self._path, error)

    def grant(self, why: str) -> None:
        """It has been done for this reason; if there is another one by now, it is still asked for."""
        if self.why == why:
            self._path.unlink(missing_ok=True)
            self.why = None
