"""Judges records of the topic ``clicks``: what becomes a dead letter, keys, repeats, and how long clicks take."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import quantiles

from mos_cli.findings import Finding, Status
from mos_cli.validate.topic import Found

FEW_BAD = 0.01
"""A smaller share of dead letters or of split users is a warning only."""
SLOW_MS = 60_000
"""Half of the clicks take longer to arrive: their producer collects them, or its clock is wrong."""

_LETTERS = "these become dead letters and are in no session; docs/your-data.md has the contract"


def records(found: Found) -> Iterator[Finding]:
    """What is of records only, and not of the events in them."""
    part, report = "records", found.report
    if not found.records:
        yield Finding(
            part=part,
            status=Status.FAIL,
            found="none",
            remedy="nothing was sent: is the producer running, and is MOS_NAMESPACE the same? --seconds waits for some",
        )
        return
    refused = report.read - report.kept
    words = f"{found.records:,} read, with {report.kept:,} clicks that can be used"
    if not refused:
        yield Finding(part=part, status=Status.PASS, found=words)
    else:
        bad = Status.WARN if report.kept and refused < FEW_BAD * report.read else Status.FAIL
        yield Finding(part=part, status=bad, found=f"{words}, and {refused:,} that cannot", remedy=_LETTERS)
    for reason, refusal in report.refused.items():
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{refusal.count:,} {reason}: the first is {refusal.first}",
            remedy="`mos dead-letters list` shows what a worker has refused",
        )
    if report.kept:
        yield from _keys(found)
        yield _repeats(found)
        yield from _arrival(found)


def _keys(found: Found) -> Iterator[Finding]:
    part, split = "keys", found.split_users
    if split:
        yield Finding(
            part=part,
            status=Status.WARN if split < FEW_BAD * len(found.partitions) else Status.FAIL,
            found=f"{split:,} of {len(found.partitions):,} users have clicks in several partitions",
            remedy="their sessions are cut apart: send every click with its user_id as the key of the record",
        )
    if found.unkeyed:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{found.unkeyed:,} of {found.report.kept:,} clicks have another key than their user",
            remedy="send user_id in UTF-8 as the key: only then are all clicks of a user in one partition",
        )
    if not split and not found.unkeyed:
        yield Finding(part=part, status=Status.PASS, found="every click has its user as key")


def _repeats(found: Found) -> Finding:
    if not found.repeats:
        return Finding(part="repeats", status=Status.PASS, found="none while a session is open")
    return Finding(
        part="repeats", status=Status.INFO, found=f"{found.repeats:,} clicks repeat one of an open session: ignored"
    )


def _arrival(found: Found) -> Iterator[Finding]:
    part = "arrival"
    if found.by_broker < found.records:
        yield Finding(
            part=part,
            status=Status.INFO,
            found="records have the time of their producers, so nobody knows when they arrived",
            remedy="",
        )
    if len(found.delays) < 2:
        return
    cuts = quantiles(found.delays, n=100)
    half, most = round(cuts[49]), round(cuts[98])
    words = f"half of the clicks within {half:,} ms of their time, 99 % within {most:,} ms"
    old = half > SLOW_MS
    yield Finding(
        part=part,
        status=Status.INFO if old else Status.PASS,
        found=words,
        remedy="a replay of an old log does that; else mend the producer's clock, or send sooner" if old else "",
    )
