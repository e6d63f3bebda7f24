"""What ``sessions_on_kafka.py`` prints, as Markdown."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess

from kafka_click_log import ClickLog
from kafka_contest import Result
from kafka_systems import SYSTEMS


def table(title: str, log: ClickLog, results: dict[str, list[Result]], failures: dict[str, str]) -> str:
    """Markdown."""
    median = {name: statistics.median(result.rate for result in some) for name, some in results.items()}
    lines = [
        f"**{title}**: {len(log.messages):,} messages, {log.clicks:,} clicks, {len(log.sessions):,} sessions",
        "",
        "| | clicks/s, median (min–max) | rate / empty agent | rate / MoS Online | start to finish | CPU | peak memory "
        "| sessions right / wrong / missing | closes sessions of idle users |",
        "|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for name in (*results, *failures):
        system = SYSTEMS[name]
        if name in failures:
            lines.append(f"| {system.title} | did not run: {failures[name].replace('|', '/')} | | | | | | | |")
            continue
        some = results[name]
        rates = [result.rate for result in some]
        worst = min(some, key=lambda result: (result.right, -result.wrong))
        sessions = f"{worst.right:,} / {worst.wrong:,} / {worst.missing:,}"
        if worst.repeated:
            sessions += f", {worst.repeated:,} twice"
        if worst.cut_off:
            sessions += ", cut off"
        cells = [
            system.title,
            f"{median[name]:,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
            ratio(median[name], median.get("empty")),
            ratio(median[name], median.get("ours")),
            f"{statistics.median(result.total for result in some):.1f} s",
            f"{statistics.median(result.cpu for result in some):.1f} s",
            f"{max(result.rss for result in some):,.0f} MiB",
            "–" if system.counts_only else sessions,
            system.silent,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(rate: float, base: float | None) -> str:
    """A rate relative to ours, as the table shows it."""
    return f"{rate / base:.2f}" if base else "–"


def describe(names: list[str], broker: str) -> str:
    """The machine, and on what each system runs."""
    java = "no Java"
    if shutil.which("java"):
        java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()[0]
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {java}, {broker}"
    lines = [f"- {SYSTEMS[n].title}: {SYSTEMS[n].versions()}; {SYSTEMS[n].note}." for n in names]
    return "\n".join([machine, "", *lines])
