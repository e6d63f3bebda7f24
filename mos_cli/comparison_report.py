"""The report of a comparison: Markdown and figures."""

from __future__ import annotations

from pathlib import Path

from mos_online.comparison.store import Store


def write_report(store: Store) -> Path:
    """Write ``report.md`` beside the cells."""
    raise NotImplementedError
