"""The report in one screen of the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mos_cli.demo.report import Report


def print_report(report: Report, console: Console, page: Path) -> None:
    """Print the quality of each recommender, some samples, what was lost if anything, and where the page is."""
    for kind, judged in report["quality"].items():
        console.print(_quality(kind, judged))
    for sample in report["samples"]:
        console.print(
            f"user {sample['user_id']}, theme {sample['session_theme']}, clicked {', '.join(sample['clicked'])}\n"
            f"  -> {'; '.join(sample['recommended'])}",
            highlight=False,
            markup=False,
        )
    table = Table(box=None, show_header=False)
    for name, value in _rows(report):
        table.add_row(name, value)
    console.print(table)
    verdict = "[bold green]passed[/]" if report["passed"] else "[bold red]FAILED[/]: " + "; ".join(report["faults"])
    console.print(f"{verdict} in {report['wall_seconds']:.0f} s. Report: {page}", soft_wrap=True)


def _quality(kind: str, judged: Mapping[str, Any]) -> Table:
    title = f"{kind.replace('_', ' ')}: {judged['requests']:,} requests"
    table = Table(title=title, title_justify="left", box=None)
    for column in ("recommender", "hit-rate@10", "NDCG@10", "MoS minus it, NDCG@10"):
        table.add_column(column, justify="left" if column == "recommender" else "right")
    for who, measured in judged["recommenders"].items():
        minus = judged["mos_minus"].get(who)
        table.add_row(
            who,
            _interval(measured["hit_rate_at_10"]),
            _interval(measured["ndcg_at_10"]),
            _interval(minus["ndcg_at_10"]) if minus else "",
        )
    return table


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    events, sessions, profiles = report["events"], report["sessions"], report["profiles"]
    seconds = report["phases"]["replay"]
    yield "clicks", f"{events['sent']:,} in {seconds:.0f} s = {events['per_second']}/s"
    yield (
        "sessions",
        f"{sessions['closed']:,} closed, oracle {sessions['oracle']:,}: "
        f"{sessions['missing']} missing, {sessions['different']} different",
    )
    yield "profiles", f"{profiles['readable']:,} of {profiles['expected']:,} users readable from Feast"
    yield "recommendations", f"{report['recommendations']['published']:,} on the topic"
    yield "late, dead letters", f"{report['late_events']}, {sum(report['dead_letters'].values())}"
    age, half_life = report["freshness"]["popularity_age_seconds"], report["freshness"]["popularity_half_life_seconds"]
    if age["n"]:
        yield (
            "popularity is old",
            f"p50 {age['p50']:,.0f} s, p99 {age['p99']:,.0f} s of event time; its half-life is {half_life:,} s",
        )
    for way, gain in report["learned"]["minus_frozen"].items():
        yield f"learning: {way}", f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] NDCG@10 over frozen"
    tunings = report["learned"]["fine_tunings"]
    yield "fine-tunings", ", ".join(f"{count} {what}" for what, count in sorted(tunings.items())) or "none"
    yield from _experiment(report["experiment"])
    yield "HTTP", _milliseconds(report["latency_ms"]["http"])
    yield "click to recommendation", _milliseconds(report["latency_ms"]["click_to_recommendation"])


def _experiment(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Users of each arm, the difference, and what it says."""
    if found["users"]:
        users = (f"{arm} {one['finished']:,} of {one['exposed']:,}" for arm, one in found["users"].items())
        yield "experiment: users", f"{', '.join(users)} counted; window {found['window']}"
        split = "as planned" if found["sample_ratio"]["as_planned"] else "MISMATCH"
        yield "experiment: split", f"{split} (evidence e^{found['sample_ratio']['evidence']:.1f})"
    if found.get("relative"):
        yield f"experiment: {found['metric']}", f"{found['relative']}, {found['arm']} minus {found['control']}"
    for sentence in found["says"]:
        yield "", sentence


def _interval(measured: Mapping[str, float]) -> str:
    return f"{measured['mean']:.3f} [{measured['low']:.3f}, {measured['high']:.3f}]"


def _milliseconds(measured: Mapping[str, Any]) -> str:
    if not measured["n"]:
        return "nothing measured"
    return f"p50 {measured['p50']:,.0f} ms, p99 {measured['p99']:,.0f} ms ({measured['n']:,})"
