"""What a result depends on: code, packages, data and protocol."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
from functools import cache
from pathlib import Path

import polars as pl

REVISION = 5
"""The revision of models and measures. Raise it when either changes; stored runs are then fitted anew."""

PACKAGES = ("torch", "numpy", "scipy", "polars")
"""Packages whose versions are kept with a result."""


def digest(*parts: object) -> str:
    """Short hash of anything that prints the same again.

    >>> digest("a", 1) == digest("a", 1), digest("a") == digest("b")
    (True, False)
    """
    return hashlib.blake2s(repr(parts).encode()).hexdigest()[:12]


def data_hash(events: pl.DataFrame) -> str:
    """Short hash of the events as they were compared."""
    return digest(events.hash_rows().sum(), len(events))


def package_versions() -> dict[str, str]:
    """The installed versions of ``PACKAGES``."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@cache
def commit() -> str:
    """The commit of the code, with a mark if it was changed since; "unknown" outside of a repository."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
