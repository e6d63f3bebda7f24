"""From what was seen to the report's keys; docs/demo-report.md explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from mos_cli.demo.experiment import Experiment
from mos_cli.demo.experiment_report import experiment_faults, experiment_report
from mos_cli.demo.learning import Learned
from mos_cli.demo.log import DemoLog
from mos_cli.demo.machine import machine
from mos_cli.demo.phases import Phases
from mos_cli.demo.samples import samples
from mos_cli.demo.seen import Seen
from mos_cli.demo.verify import ProfileCheck, SessionCheck
from mos_cli.demo.watch import Watched
from mos_cli.utc import utc_text
from mos_online import __version__
from mos_online.metrics import Judged
from mos_online.training import TrainReport
from simulator.visitors import Visitors

Report = dict[str, Any]
"""What ``report.json`` holds."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that a run of the demo found out.

    Attributes:
        log: what was learned from and what was replayed.
        trained: how good the model is on its validation part.
        backfilled: profiles that were written before the replay.
        watched: the replay.
        sessions, profiles: what came out, compared with what had to.
        quality: of each kind of requests.
        learned: what learning was worth.
        experiment: what the experiment has found.
        phases: how long each step took.
    """

    log: DemoLog
    trained: TrainReport
    backfilled: int
    watched: Watched
    sessions: SessionCheck
    profiles: ProfileCheck
    quality: Mapping[str, Judged]
    learned: Learned
    experiment: Experiment
    phases: Phases


def build_report(outcome: Outcome) -> Report:
    """The report as documented in docs/demo-report.md."""
    log, watched = outcome.log, outcome.watched
    seen, visitors = watched.seen, watched.visitors
    faults = _faults(outcome)
    return {
        "passed": not faults,
        "faults": faults,
        "mos_online": __version__,
        "wall_seconds": outcome.phases.total,
        "dataset": _dataset(log),
        "machine": machine(),
        "phases": dict(outcome.phases.seconds),
        "training": msgspec.to_builtins(outcome.trained),
        "events": _events(log, watched),
        "sessions": _sessions(outcome.sessions, seen),
        "late_events": seen.late,
        "dead_letters": dict(seen.dead_letters),
        "profiles": {"backfilled": outcome.backfilled, **asdict(outcome.profiles)},
        "embeddings": {"published": len(seen.embedded)},
        "recommendations": {
            "published": len(seen.recommendations),
            "per_second": _rate(len(seen.recommendations), watched.seconds),
            "fallbacks": dict(seen.fallbacks),
        },
        "requests": {
            "answered": len(visitors.http_ms),
            "failed": dict(visitors.failures),
            "fallbacks": dict(visitors.fallbacks),
        },
        "freshness": _freshness(outcome),
        "quality": {kind: _quality(judged) for kind, judged in outcome.quality.items()},
        "learned": outcome.learned.report(),
        "experiment": experiment_report(outcome.experiment),
        "latency_ms": _latency(seen, visitors),
        "samples": samples(seen, log.before.items, outcome.trained.theme_labels),
    }


def _dataset(log: DemoLog) -> dict[str, Any]:
    first, last = log.span
    return {
        "name": log.name,
        "events_before": len(log.before.clicks),
        "events_replayed": len(log.replayed),
        "from": utc_text(first),
        "to": utc_text(last),
    }


def _events(log: DemoLog, watched: Watched) -> dict[str, Any]:
    first, last = log.span
    return {
        "sent": watched.timeline[-1].events if watched.timeline else 0,
        "per_second": _rate(len(log.replayed), watched.seconds),
        "event_hours": round((last - first) / 3_600_000, 2),
    }


def _sessions(check: SessionCheck, seen: Seen) -> dict[str, int]:
    return {
        "closed": check.closed,
        "oracle": check.oracle,
        "missing": check.missing,
        "different": check.different,
        "unexpected": check.unexpected,
        "repeated": seen.repeated,
        "changed": len(seen.changed),
    }


def _freshness(outcome: Outcome) -> dict[str, Any]:
    trained, visitors, waits = outcome.trained, outcome.watched.visitors, outcome.watched.waits
    return {
        "bound_seconds": {kind: round(span / 1000, 1) for kind, span in waits.spans_ms.items()},
        "waited_seconds": round(waits.seconds, 1),
        "waited_in_vain": waits.given_up,
        "popularity_half_life_seconds": round(trained.half_life_hours * 3600),
        "popularity_age_seconds": percentiles([ms / 1000 for ms in visitors.popularity_age_ms]),
        "co_clicks_half_life_seconds": round(trained.knn_half_life_hours * 3600),
        "co_clicks_age_seconds": percentiles([ms / 1000 for ms in visitors.co_clicks_age_ms]),
    }


def _latency(seen: Seen, visitors: Visitors) -> dict[str, Any]:
    return {
        "http": percentiles(visitors.http_ms),
        "click_to_session": percentiles(seen.close_ms),
        "click_to_profile": percentiles(seen.embedding_ms),
        "click_to_recommendation": percentiles(seen.freshness_ms),
    }


def percentiles(values: Sequence[float]) -> Mapping[str, float | int | None]:
    """Count, median, p90, p99 and maximum of a list of durations; None where there is nothing to measure."""
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


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 1) if seconds else None


def _faults(outcome: Outcome) -> list[str]:
    """What was lost or wrong, in words."""
    seen, visitors = outcome.watched.seen, outcome.watched.visitors
    sessions, profiles = outcome.sessions, outcome.profiles
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
    if seen.unreadable:
        faults.append(f"records that cannot be read: {dict(seen.unreadable)}")
    return [*faults, *experiment_faults(outcome.experiment)]


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
