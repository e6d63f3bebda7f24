"""How many events of a user the model reads, and a profile therefore keeps."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class RingSizes:
    """Lengths of the histories that a model reads; the one place where their defaults are.

    Attributes:
        recent: last events over all sessions; the global expert reads them, the short-term expert their tail.
        theme: last events of the sessions of one theme; the theme expert reads them.

    Raises:
        SettingsError: a size is below 1.
    """

    recent: int = 50
    theme: int = 20

    def __post_init__(self) -> None:
        if self.recent < 1 or self.theme < 1:
            raise SettingsError(f"ring sizes must be at least 1, got recent={self.recent}, theme={self.theme}")
