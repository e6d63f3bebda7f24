"""From what was seen to the report's keys, and to what is printed at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from rich.console import Console
from rich.table import Table

from mos_cli.demo.observer import Seen
from mos_cli.demo.report import Report, percentiles
from mos_cli.demo.verify import ProfileCheck, SessionCheck
from mos_cli.demo.watch import Watched
from mos_cli.moment import moment
from mos_online import __version__
from mos_online.metrics import Judged
from mos_online.training import TrainReport
from simulator.visitors import Visitors


def build_report(
    *,
    dataset: str,
    before: int,
    replayed: pl.DataFrame,
    trained: TrainReport,
    profiles_written: int,
    watched: Watched,
    sessions: SessionCheck,
    profiles: ProfileCheck,
    phases: Mapping[str, float],
    machine: Mapping[str, Any],
    begun: float,
    samples: Sequence[Mapping[str, Any]],
) -> Report:
    """The report as documented in docs/report.md."""
    first, last = int(replayed["timestamp"][0]), int(replayed["timestamp"][-1])
    seen, visitors, timeline = watched.seen, watched.visitors, watched.timeline
    span = timeline[-1].seconds if timeline else 0.0
    faults = _faults(seen, sessions, profiles, visitors)
    training = msgspec.to_builtins(trained)
    return {
        "passed": not faults,
        "faults": faults,
        "mos_online": __version__,
        "wall_seconds": round(time.time() - begun, 1),
        "dataset": {
            "name": dataset,
            "events_before": before,
            "events_replayed": len(replayed),
            "from": moment(first),
            "to": moment(last),
        },
        "machine": dict(machine),
        "phases": dict(phases),
        "training": training,
        "events": {
            "sent": timeline[-1].events if timeline else 0,
            "per_second": round(len(replayed) / span, 1) if span else None,
            "event_hours": round((last - first) / 3_600_000, 2),
        },
        "sessions": {
            "closed": sessions.closed,
            "oracle": sessions.oracle,
            "missing": sessions.missing,
            "different": sessions.different,
            "unexpected": sessions.unexpected,
            "repeated": seen.repeated,
            "changed": len(seen.changed),
        },
        "late_events": seen.late,
        "dead_letters": dict(seen.dead_letters),
        "profiles": {"backfilled": profiles_written, **asdict(profiles)},
        "embeddings": {"published": len(seen.embedded)},
        "recommendations": {
            "published": len(seen.recommendations),
            "per_second": round(len(seen.recommendations) / span, 1) if span else None,
            "fallbacks": dict(seen.fallbacks),
        },
        "requests": {
            "answered": len(visitors.http_ms),
            "failed": dict(visitors.failures),
            "fallbacks": dict(visitors.fallbacks),
        },
        "quality": {kind: _quality(visitors.judge.result(kind)) for kind in visitors.judge.kinds},
        "latency_ms": {
            "http": percentiles(visitors.http_ms),
            "click_to_session": percentiles(seen.close_ms),
            "click_to_profile": percentiles(seen.embedding_ms),
            "click_to_recommendation": percentiles(seen.freshness_ms),
        },
        "samples": list(samples),
    }


def _faults(seen: Seen, sessions: SessionCheck, profiles: ProfileCheck, visitors: Visitors) -> list[str]:
    faults = list(sessions.examples)
    if not sessions.passed:
        faults.insert(
            0, f"sessions: {sessions.missing} missing, {sessions.different} different, {sessions.unexpected} unexpected"
        )
    if seen.changed:
        faults.append(f"{len(seen.changed)} sessions were published again with other content")
    if len(seen.embedded) < sessions.closed:
        faults.append(f"{sessions.closed - len(seen.embedded)} closed sessions have no embedding")
    if len(seen.recommendations) < sessions.closed:
        faults.append(f"{sessions.closed - len(seen.recommendations)} closed sessions have no recommendation")
    if not profiles.passed:
        faults.append(
            f"Feast: {profiles.expected - profiles.readable} users not readable, {profiles.stale} not up to date"
        )
    if seen.late or seen.dead_letters:
        faults.append(f"{seen.late} late events and {sum(seen.dead_letters.values())} dead letters in a clean replay")
    if visitors.failures:
        faults.append(f"requests failed: {dict(visitors.failures)}")
    return faults


def _quality(judged: Judged) -> dict[str, Any]:
    plain = msgspec.to_builtins
    return {
        "requests": judged.requests,
        "recommenders": {
            who: {"hit_rate_at_10": plain(judged.hit_rate[who]), "ndcg_at_10": plain(judged.ndcg[who])}
            for who in judged.hit_rate
        },
        "mos_minus": {
            who: {
                "hit_rate_at_10": plain(judged.hit_rate_difference[who]),
                "ndcg_at_10": plain(judged.ndcg_difference[who]),
            }
            for who in judged.hit_rate_difference
        },
    }


def samples(seen: Seen, items: pl.DataFrame, labels: Sequence[str], count: int = 4) -> list[dict[str, Any]]:
    """A few recommendations in words: of sessions with several events, spread over the run."""
    named = items.select("item_id", "title", "category").rows_by_key("item_id", unique=True)

    def words(item: str) -> str:
        title, category = named.get(item, (None, None))
        return title or (f"{item} ({category})" if category else item)

    told = [
        (recommendation, seen.sessions[name])
        for name, recommendation in seen.recommendations.items()
        if name in seen.sessions and len(seen.sessions[name].events) >= 3 and recommendation.fallback is None
    ]
    chosen = told[:: max(1, len(told) // count)][:count]
    return [
        {
            "user_id": recommendation.user_id,
            "session_theme": _session_theme(seen, recommendation.session_id, labels),
            "clicked": list(dict.fromkeys(words(event.item_id) for event in session.events))[:5],
            "recommended": [
                f"{words(item.item_id)} [{_label(item.theme, labels)}]" for item in recommendation.items[:5]
            ],
        }
        for recommendation, session in chosen
    ]


def _session_theme(seen: Seen, session_id: str, labels: Sequence[str]) -> str:
    theme = seen.embedded.get(session_id)
    return _label(theme, labels) if theme is not None else "an unknown theme"


def _label(theme: int, labels: Sequence[str]) -> str:
    return labels[theme].split(" (")[0] if theme < len(labels) else f"theme {theme}"


def print_report(report: Report, console: Console, folder: Path) -> None:
    """The report in one screen."""
    for kind, judged in report["quality"].items():
        table = Table(
            title=f"{kind.replace('_', ' ')}: {judged['requests']:,} requests", title_justify="left", box=None
        )
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
        console.print(table)
    for sample in report["samples"]:
        console.print(
            f"user {sample['user_id']}, theme {sample['session_theme']}, clicked {', '.join(sample['clicked'])}\n"
            f"  -> {'; '.join(sample['recommended'])}",
            highlight=False,
            markup=False,
        )
    s, latency = report["sessions"], report["latency_ms"]
    table = Table(box=None, show_header=False)
    rows = [
        (
            "clicks",
            f"{report['events']['sent']:,} in {report['phases']['replay']:.0f} s = {report['events']['per_second']}/s",
        ),
        (
            "sessions",
            f"{s['closed']:,} closed, oracle {s['oracle']:,}: {s['missing']} missing, {s['different']} different",
        ),
        (
            "profiles",
            f"{report['profiles']['readable']:,} of {report['profiles']['expected']:,} users readable from Feast",
        ),
        ("recommendations", f"{report['recommendations']['published']:,} on the topic"),
        ("late, dead letters", f"{report['late_events']}, {sum(report['dead_letters'].values())}"),
        ("HTTP", _milliseconds(latency["http"])),
        ("click to recommendation", _milliseconds(latency["click_to_recommendation"])),
    ]
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    verdict = "[bold green]passed[/]" if report["passed"] else "[bold red]FAILED[/]: " + "; ".join(report["faults"])
    console.print(f"{verdict} in {report['wall_seconds']:.0f} s. Report: {folder / 'report.html'}", soft_wrap=True)


def _interval(measured: Mapping[str, float]) -> str:
    return f"{measured['mean']:.3f} [{measured['low']:.3f}, {measured['high']:.3f}]"


def _milliseconds(measured: Mapping[str, Any]) -> str:
    if not measured["n"]:
        return "nothing measured"
    return f"p50 {measured['p50']:,.0f} ms, p99 {measured['p99']:,.0f} ms ({measured['n']:,})"
