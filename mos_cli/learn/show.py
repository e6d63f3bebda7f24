"""The tables of `mos learn status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from rich.markup import escape
from rich.table import Table

from learning.fine_tuning import FineTuningPart
from learning.status import LearnerStatus
from mos_cli.utc import utc_text
from mos_online.fine_tuning.history import FineTuning


def status_tables(status: LearnerStatus) -> Iterator[Table]:
    """What the learner said last, and a table for each of its parts."""
    table = Table(title="learner", show_header=False)
    state = "runs" if status.running else "does not run"
    rows = {
        "state": f"{state}; written at {utc_text(status.written_at)}",
        "waits for Kafka": status.kafka,
        "event time": utc_text(status.event_time) if status.event_time >= 0 else "nothing has been read",
        "kept": f"{status.records:,} records in {status.bytes / 2**20:,.1f} MiB",
        "in this run": ", ".join(f"{count:,} {name}" for name, count in status.counts.items()) or "no records",
        "held back": f"{status.held:,} records; {status.late:,} came late",
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, escape(value))
    yield table
    for part, facts in status.parts.items():
        past = facts.pop("history", [])
        yield _of_part(part, facts)
        if past and part == FineTuningPart.name:
            yield _history(msgspec.convert(past, list[FineTuning]))


def _of_part(name: str, facts: Mapping[str, object]) -> Table:
    table = Table(title=escape(name), show_header=False)
    for fact, value in facts.items():
        table.add_row(escape(fact), escape(value if isinstance(value, str) else msgspec.json.encode(value).decode()))
    return table


def _history(past: Sequence[FineTuning]) -> Table:
    """The last fine-tunings, and why."""
    table = Table("ended (UTC)", "why", "champion", "candidate", "result", "GAUC", title="the last fine-tunings")
    for one in past:
        gain = one.verdict.gauc if one.verdict is not None else None
        result = "; ".join([one.result, *one.reasons])
        found = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]" if gain is not None else ""
        cells = (utc_text(one.at), one.why, one.champion, one.candidate or "", result, found)
        table.add_row(*map(escape, cells))
    return table
