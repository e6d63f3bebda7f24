"""The demo's report as a page of HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jinja2

from mos_cli.demo import plots
from mos_cli.demo.report import Report

SECTIONS = {
    "Sessions, stream beside oracle": "sessions",
    "Events": "events",
    "Dead letters, by reason": "dead_letters",
    "Profiles read back from Feast": "profiles",
    "Recommendations": "recommendations",
    "Latency, ms": "latency_ms",
    "Freshness of the counts": "freshness",
    "Training": "training",
    "Phases, seconds": "phases",
    "Machine": "machine",
}
"""Title of each table -> the key of the report that it shows."""


def render(report: Report, timeline: Sequence[Mapping[str, float]], delays: Mapping[str, Sequence[float]]) -> str:
    """Render the report as a page of HTML.

    Args:
        report: the figures, as in ``report.json``.
        timeline: about five rows per second of the replay: seconds, events, sessions, recommendations, open (running
            totals).
        delays: name -> milliseconds, drawn as cumulative shares.
    """
    drawn = [plots.timeline(timeline), plots.delays(delays), plots.quality(report["quality"])]
    drawn.append(plots.learning(report["learned"]))
    return (
        environment("mos_cli.demo")
        .get_template("report.html.jinja")
        .render(
            report=report,
            figures=[svg for svg in drawn if svg],
            sections=[(title, report[key]) for title, key in SECTIONS.items()],
        )
    )


def plain(value: object) -> str:
    """A value as it is read: numbers with separators and four significant digits.

    >>> plain(1234567), plain(0.12345), plain(12345.678), plain(True), plain(None)
    ('1,234,567', '0.1235', '12,345.7', 'True', 'None')
    """
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def environment(*packages: str) -> jinja2.Environment:
    """Templates of these packages, with the filters ``plain`` and ``words``; a missing value is an error."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = plain
    made.filters["words"] = lambda key: str(key).replace("_", " ")
    return made
