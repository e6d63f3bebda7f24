"""The demo's report as ``report.json`` and as a self-contained HTML page; docs/report.md explains its keys."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mos_cli.demo import plots

Report = dict[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
h1 { margin-bottom: 0; }
h2 { margin-top: 2.2rem; font-size: 1.15rem; }
table { border-collapse: collapse; }
td, th { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; }
svg { max-width: 100%; height: auto; }
.verdict { font-weight: 600; }
.muted { color: #667; }
"""


def percentiles(values: Sequence[float]) -> dict[str, float | int | None]:
    """Count, median, p90, p99 and maximum of a list of milliseconds; None where there is nothing to measure."""
    if not values:
        return {"n": 0, "p50": None, "p90": None, "p99": None, "max": None}
    p50, p90, p99 = np.percentile(np.asarray(values, dtype=np.float64), [50, 90, 99])
    return {
        "n": len(values),
        "p50": round(float(p50), 2),
        "p90": round(float(p90), 2),
        "p99": round(float(p99), 2),
        "max": round(float(max(values)), 2),
    }


def write(
    report: Report, timeline: Sequence[Mapping[str, float]], delays: Mapping[str, Sequence[float]], folder: Path
) -> None:
    """Write ``report.json`` and ``report.html`` into ``folder``.

    Args:
        report: the figures.
        timeline: one row per second of the replay: seconds, events, sessions, recommendations, open (running totals).
        delays: name -> milliseconds, drawn as histograms.
        folder: created if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "report.html").write_text(_page(report, timeline, delays))


def _page(report: Report, timeline: Sequence[Mapping[str, float]], delays: Mapping[str, Sequence[float]]) -> str:
    verdict = "passed" if report["passed"] else "FAILED: " + "; ".join(report["faults"])
    dataset = report["dataset"]
    drawn = [plots.timeline(timeline), plots.delays(delays), plots.quality(report["quality"])]
    figures = "\n".join(f"<figure>{svg}</figure>" for svg in drawn if svg)
    sections = "\n".join(
        _table(title, report[key])
        for title, key in (
            ("Sessions, stream beside oracle", "sessions"),
            ("Events", "events"),
            ("Dead letters, by reason", "dead_letters"),
            ("Profiles read back from Feast", "profiles"),
            ("Recommendations", "recommendations"),
            ("Latency, ms", "latency_ms"),
            ("Training", "training"),
            ("Phases, seconds", "phases"),
            ("Machine", "machine"),
        )
    )
    title = f"MoS Online on {html.escape(dataset['name'])}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style></head><body>
<h1>{title}</h1>
<p class="verdict">{html.escape(verdict)}</p>
<p class="muted">{dataset["events_replayed"]:,} clicks of {dataset["from"]} to {dataset["to"]} (UTC), replayed
after training on the {dataset["events_before"]:,} clicks before them. Every figure was measured in this run.</p>
{figures}
{_quality_table(report["quality"])}
{_samples(report["samples"])}
{sections}
</body></html>
"""


def _table(title: str, content: Mapping[str, Any]) -> str:
    if not content:
        return f"<h2>{html.escape(title)}</h2><p>none</p>"
    rows = "".join(
        f"<tr><td>{html.escape(str(key)).replace('_', ' ')}</td><td class='n'>{_value(value)}</td></tr>"
        for key, value in content.items()
    )
    return f"<h2>{html.escape(title)}</h2><table>{rows}</table>"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return " &nbsp; ".join(f"{html.escape(str(k))} {_value(v)}" for k, v in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return html.escape(str(value))


def _quality_table(quality: Mapping[str, Any]) -> str:
    blocks = []
    for kind, judged in quality.items():
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td class='n'>{_interval(r['hit_rate_at_10'])}</td>"
            f"<td class='n'>{_interval(r['ndcg_at_10'])}</td></tr>"
            for name, r in judged["recommenders"].items()
        )
        blocks.append(
            f"<h2>Prequential quality: {html.escape(kind.replace('_', ' '))} ({judged['requests']:,} requests)</h2>"
            f"<table><tr><th>recommender</th><th>hit-rate@10</th><th>NDCG@10</th></tr>{rows}</table>"
        )
    return "\n".join(blocks)


def _interval(measured: Mapping[str, float]) -> str:
    return f"{measured['mean']:.4f} [{measured['low']:.4f}, {measured['high']:.4f}]"


def _samples(samples: Sequence[Mapping[str, Any]]) -> str:
    blocks = [
        f"<p><b>{html.escape(s['user_id'])}</b> after a session on {html.escape(s['session_theme'])}: "
        f"{html.escape(', '.join(s['clicked']))}<br>recommended: {html.escape('; '.join(s['recommended']))}</p>"
        for s in samples
    ]
    return "<h2>Sample recommendations</h2>" + "".join(blocks) if blocks else ""
