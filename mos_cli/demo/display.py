"""Shows a running replay: a live panel in a terminal, one line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from mos_cli.utc import utc_text

PLAIN_EVERY = 5.0
"""Seconds between lines where the output is no terminal."""


@dataclass(frozen=True, kw_only=True)
class RunningTotals:
    """Running totals at one instant of the replay; ``seconds`` since its start, ``event_time`` in ms."""

    seconds: float
    event_time: int
    events: int
    of: int
    sessions: int
    open: int
    embeddings: int
    recommendations: int
    asked: int
    freshness_p50: float | None
    http_p50: float | None
    errors: int

    def row(self) -> dict[str, float]:
        """The part that the report's timeline draws."""
        return {
            "seconds": self.seconds,
            "events": self.events,
            "sessions": self.sessions,
            "recommendations": self.recommendations,
            "open": self.open,
        }


def median(values: list[float] | list[int], last: int = 500) -> float | None:
    """Median of the newest ``last`` values."""
    newest = values[-last:]
    return float(np.median(newest)) if newest else None


class Display:
    """Shows running totals; rates are over the last five seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._recent: deque[RunningTotals] = deque(maxlen=25)
        self._printed = 0.0

    def __enter__(self) -> Display:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def show(self, now: RunningTotals) -> None:
        """Draw these totals."""
        self._recent.append(now)
        if self._live:
            self._live.update(self._table(now))
        elif time.monotonic() - self._printed >= PLAIN_EVERY:
            self._printed = time.monotonic()
            self._console.print(self._line(now), highlight=False, soft_wrap=True)

    def _rate(self, name: str) -> float:
        first, last = self._recent[0], self._recent[-1]
        span = last.seconds - first.seconds
        return (getattr(last, name) - getattr(first, name)) / span if span > 0 else 0.0

    def _line(self, now: RunningTotals) -> str:
        return (
            f"{now.seconds:5.0f} s  {utc_text(now.event_time)}  "
            f"clicks {now.events:,}/{now.of:,} ({self._rate('events'):,.0f}/s)  "
            f"sessions {now.sessions:,} closed, {now.open:,} open  recommendations {now.recommendations:,} "
            f"({self._rate('recommendations'):,.0f}/s)  freshness {_ms(now.freshness_p50)}  HTTP {_ms(now.http_p50)}  "
            f"errors {now.errors}"
        )

    def _table(self, now: RunningTotals) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        done = now.events / now.of if now.of else 1.0
        rows = [
            ("event time (UTC)", utc_text(now.event_time), f"{'█' * int(30 * done):<30} {done:.0%}"),
            ("clicks sent", f"{now.events:,} of {now.of:,}", f"{self._rate('events'):,.0f}/s"),
            ("sessions closed", f"{now.sessions:,}", f"{self._rate('sessions'):,.0f}/s, {now.open:,} open"),
            ("profiles in Feast", f"{now.embeddings:,}", f"{self._rate('embeddings'):,.0f}/s"),
            ("recommendations", f"{now.recommendations:,}", f"{self._rate('recommendations'):,.0f}/s on the topic"),
            ("freshness, median", _ms(now.freshness_p50), "closing click to recommendation"),
            ("HTTP, median", _ms(now.http_p50), f"{now.asked:,} visitors asked"),
            ("errors", f"{now.errors}", "dead letters, refused or failed requests"),
        ]
        for name, value, note in rows:
            table.add_row(f"[bold]{name}[/]", value, f"[dim]{note}[/]")
        return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
