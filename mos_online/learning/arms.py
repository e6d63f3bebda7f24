"""Arms of experiments."""

from __future__ import annotations

from typing import Final

CHAMPION: Final = "champion"
"""The arm of all users while there is no experiment, and of what belongs to no arm."""
