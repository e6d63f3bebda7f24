"""Judges what a log or a topic is made of: its rows, times and order, and what comes twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mos_cli.findings import Finding, Status
from mos_cli.utc import utc_text
from mos_online.sessions import SessionConfig
from simulator.datasets.report import REASONS, ReadReport
from simulator.validating.facts import Facts
from simulator.validating.order import Order

NEVER_READ = "such rows are left out wherever the log is read"
REMEDIES: Mapping[str, str] = {
    "missing_user": "give people whom you do not know an id for each visit, or leave the rows out",
    "missing_item": "leave out what has no item, such as searches",
    "missing_time": "write a time into every row: without it there is no order, and no session",
    "unreadable_time": "write times in one way: ISO 8601, or numbers of one unit",
    "time_out_of_range": "state the unit (mos import --time created_at:ms), or mend the clock that wrote them",
    "missing_type": "write what the user did, or leave out the column: then every event is a click",
    "long_id": "write ids of at most 256 characters: longer ones become dead letters in a stream",
    "unusable_id": "write ids as text or whole numbers",
}
"""Reason for refusing a row -> what to do about it."""
FEW_STRAY = 0.01
"""Of old times, a smaller share is thought to be a fault."""


def rows(report: ReadReport) -> Iterator[Finding]:
    """What was refused, a line for each reason with its first row."""
    part = "rows"
    if not report.read:
        yield Finding(part=part, status=Status.FAIL, found="none", remedy="is it the right file, folder or topic?")
        return
    kept = f"{report.kept:,} of {report.read:,} can be used"
    if not report.refused:
        yield Finding(part=part, status=Status.PASS, found=kept)
    elif report.enough:
        known = all(reason in report.expected for reason in report.refused)
        limit = "as is known of this publication" if known and not report.unexpected else f"{report.allowed:.2%} may be"
        yield Finding(part=part, status=Status.PASS, found=f"{kept}; the others are refused, {limit}")
    else:
        yield Finding(
            part=part,
            status=Status.FAIL,
            found=f"{kept}; {report.allowed:.2%} of the rows may be refused",
            remedy="no command reads this log: mend what is below"
            + (f", or leave it out with --max-refused {report.allowing}" if report.kept else ""),
        )
    for reason, refusal in report.refused.items():
        hint = f" ({refusal.hint})" if refusal.hint else ""
        expected = reason in report.expected
        yield Finding(
            part=part,
            status=Status.INFO if expected and report.enough else Status.WARN,
            found=f"{refusal.count:,} with {REASONS.get(reason, reason)}: the first is {refusal.first}{hint}",
            remedy="" if expected else REMEDIES.get(reason, NEVER_READ),
        )
    origin = [] if report.origin is None else [report.origin.told]
    for words in (*origin, *report.assumed, *report.notes):
        yield Finding(part=part, status=Status.INFO, found=words)


def times(facts: Facts, report: ReadReport | None) -> Iterator[Finding]:
    """Unit, zone, and clocks that are wrong."""
    part, found = "times", facts.times
    if not facts.events:
        return
    read_as = f", {report.unit}" if report is not None and report.unit else ""
    zone = f", zone {report.zone}" if report is not None and report.zone else ""
    span = f"from {utc_text(found.first)} to {utc_text(found.last)} UTC{read_as}{zone}"
    yield Finding(part=part, status=Status.PASS, found=span)
    if found.future:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{found.future:,} events are later than now, the last is of {utc_text(found.last)} UTC",
            remedy="in a stream, what is ahead by more than MOS_SESSION_MAX_FUTURE becomes a dead letter: mend the "
            "clock, or name the zone with --zone",
        )
    if 0 < found.ancient < FEW_STRAY * facts.events:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{found.ancient:,} events are from before 2000, the first of {utc_text(found.first)} UTC",
            remedy="such a time is often a default value: they are in sessions of their own. Leave them out",
        )


def time_of_day(facts: Facts, *, live: bool) -> Finding:
    """Whether times are whole days."""
    part, found = "time of day", facts.times
    if not found.clock:
        return Finding(
            part=part,
            status=Status.WARN,
            found="all times are whole days",
            remedy="all clicks of a day are one session: send the time of each click"
            if live
            else "a session is a day. train, replay, backfill and demo give each event an invented time of its day; a "
            "log with times makes better sessions",
        )
    if 2 * found.midnight > facts.events:
        return Finding(
            part=part,
            status=Status.WARN,
            found=f"{found.midnight:,} of {facts.events:,} events are at midnight UTC",
            remedy="their sessions are days, the others are visits: take times from one source",
        )
    return Finding(part=part, status=Status.PASS, found="events have one")


def order(found: Order, rules: SessionConfig, *, live: bool) -> Iterator[Finding]:
    """The order in which events come, and those that would be late.

    Args:
        found: the counts.
        rules: for the allowed lateness.
        live: whether a worker reads the events in this order; a log is sorted before anything is done with it.
    """
    if not found.events:
        return
    if not found.behind:
        yield Finding(part="order", status=Status.PASS, found="every event is as new as those before it, or newer")
    else:
        yield Finding(
            part="order",
            status=Status.INFO,
            found=f"{found.behind:,} events are older than one before, by up to {_span(found.most)}"
            + ("" if live else "; they are sorted by time when the log is read"),
        )
    allowed = _span(rules.lateness)
    if not found.late:
        yield Finding(part="late", status=Status.PASS, found=f"none comes more than {allowed} behind the newest")
        return
    share = found.late / found.events
    yield Finding(
        part="late",
        status=Status.WARN if not live or share < FEW_STRAY else Status.FAIL,
        found=f"{found.late:,} events ({share:.2%}) come more than {allowed} behind the newest, up to "
        f"{_span(found.most)}",
        remedy=(
            "they are on late-events and in no session: "
            if live
            else "sent in the order of the file, they would be on late-events and in no session; `mos replay` sorts. "
        )
        + f"{'send' if live else 'Send'} in the order of time, or set MOS_SESSION_LATENESS (s)",
    )


def repeats(count: int, events: int) -> Finding:
    """Events that are there twice."""
    if not count:
        return Finding(part="repeats", status=Status.PASS, found="no event is equal to another")
    share = count / events
    return Finding(
        part="repeats",
        status=Status.INFO if share < FEW_STRAY else Status.WARN,
        found=f"{count:,} events ({share:.2%}) are equal to another in user, item, time, type and session",
        remedy="they stay, as a real quantity may be written so. If the log was exported twice, remove them: they "
        "make items look popular"
        if share >= FEW_STRAY
        else "",
    )


def _span(ms: int) -> str:
    """A span of time as people say it.

    >>> _span(5000), _span(5_400_000), _span(345_600_000)
    ('5 s', '1.5 h', '4 days')
    """
    for unit, length in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if ms >= (2 if unit == "days" else 1) * length:
            return f"{round(ms / length, 1):g} {unit}"
    return f"{ms} ms"
