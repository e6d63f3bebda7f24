"""Notices that the file of a SQLite store was deleted or replaced while it is open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from features.repository import write_ahead


class SqliteFile:
    """The file that Feast has open.

    A process that has a deleted file open goes on writing to it, and nobody else ever sees that. So the file's
    identity is compared before each use, which takes a microsecond. If it is another one, it is opened, with empty
    tables where there are none.
    """

    def __init__(self, path: Path, config: Any, views: Sequence[Any]) -> None:
        """Remember which file it is.

        Args:
            path: of the file.
            config: Feast's `RepoConfig`.
            views: the feature views that have a table.
        """
        self._path = path
        self._config = config
        self._views = views
        self._identity = self._look()

    def refresh(self, online: Any) -> None:
        """Open the file anew if it is no longer the one that is open.

        Raises:
            sqlite3.Error, OSError: it cannot be opened.
        """
        if self._identity is not None and self._look() == self._identity:
            return
        if online._conn is not None:  # noqa: SLF001 - Feast has no public way
            online._conn.close()  # noqa: SLF001
            online._conn = None  # noqa: SLF001
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_ahead(self._path)
        online.update(self._config, [], self._views, [], [], partial=True)
        self._identity = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
