"""The import itself: rows pass the check, are sorted by time on disk, and become a dataset folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from mos_online.errors import DatasetError
from simulator.datasets.folder import EVENTS, ITEMS
from simulator.datasets.origin import Origin, Refused
from simulator.datasets.report import ReadReport
from simulator.importing.catalogue import Catalogue, require_match
from simulator.importing.plan import Plan
from simulator.importing.seen import Repeats, Seen
from simulator.importing.sort import RUN_BYTES, TimeSort
from simulator.importing.target import written

_REMEDY = "Mend the rows, or say with the options what the columns are."
_COLUMNS = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "event_type": pl.String}
_SORTED = {**_COLUMNS, "session_id": pl.String, "value": pl.Float64}


@dataclass(frozen=True, kw_only=True)
class Source:
    """The log that is imported.

    Attributes:
        plan: the files and how they are read.
        catalogue: what is known of the items, if there is a table of them.
        max_refused: share of the rows that may be refused.
    """

    plan: Plan
    catalogue: Catalogue | None = None
    max_refused: float = 0.01


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an import.

    Attributes:
        report: of the rows.
        seen: what is in the events.
        items: what is known of the items: item_id, title, category and further columns.
        matched: how many items of the events are in the catalogue; None: there is none.
        sold: how many different items are in the events.
        repeats: rows that are equal to an earlier one in all that is kept of them; they stay. 0 if nothing is written.
    """

    report: ReadReport
    seen: Seen
    items: pl.DataFrame
    matched: int | None
    sold: int
    repeats: int = 0


def look_through(source: Source, take: Callable[[pl.DataFrame], None] = lambda good: None) -> Outcome:
    """Read and judge everything; ``take`` gets the good rows chunk by chunk.

    Raises:
        DatasetError: a file cannot be read, too many rows were refused, or nothing fits the catalogue.
    """
    seen, parts = Seen(), source.plan.parts
    for part in parts:
        for rows in part.layout.rows(part.path):
            good = part.check.take(rows)
            seen.take(good)
            take(good)
    report = _together([check.report for check in {id(part.check): part.check for part in parts}.values()])
    report.allowed = source.max_refused
    report.require(", ".join(str(part.path) for part in parts), _REMEDY)
    report.session = "; ".join(dict.fromkeys(part.layout.sessions for part in parts)) or _session(seen)
    found = seen.items()
    if source.catalogue is None:
        known = found if found["category"].null_count() < len(found) else found.clear()
        return Outcome(report=report, seen=seen, items=known, matched=None, sold=len(found))
    matched = require_match(source.catalogue.items, found["item_id"])
    return Outcome(report=report, seen=seen, items=source.catalogue.items, matched=matched, sold=len(found))


def import_log(
    source: Source,
    folder: Path,
    *,
    force: bool = False,
    run_bytes: int = RUN_BYTES,
    sorting: Callable[[], None] = lambda: None,
) -> Outcome:
    """Write the log as a dataset folder. The folder is there as a whole or not at all.

    Args:
        source: the log.
        folder: where it goes.
        force: replace a dataset that is there.
        run_bytes: so much of the log is sorted in memory at once.
        sorting: is called when everything is read.

    Raises:
        DatasetError: as ``look_through``; or the folder is taken or cannot be written.
    """
    with written(folder, force=force) as new:
        runs = new.parent / "runs"
        runs.mkdir()
        sort = TimeSort(runs, run_bytes)
        try:
            outcome = look_through(source, lambda good: sort.add(_to_sort(good)))
            sorting()
            repeats = Repeats()
            _write_events(sort.sorted(), new / EVENTS, repeats, values=outcome.seen.values > 0)
            if not outcome.items.is_empty():
                outcome.items.write_parquet(new / ITEMS)
            outcome = replace(outcome, repeats=repeats.count)
            _origin(source, folder.name, outcome).write(new)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DatasetError(f"{folder} cannot be written: {str(error).splitlines()[0]}") from None
    return outcome


def _together(reports: Sequence[ReadReport]) -> ReadReport:
    """One report of files of several layouts."""
    whole = reports[0]
    for report in reports[1:]:
        whole.read += report.read
        whole.kept += report.kept
        for reason, refusal in report.refused.items():
            whole.refuse(reason, refusal)
        whole.expected = {**whole.expected, **report.expected}
        whole.unit = ", ".join(dict.fromkeys([whole.unit, report.unit]))
        whole.zone = ", ".join(dict.fromkeys(zone for zone in (whole.zone, report.zone) if zone))
        whole.assumed += [words for words in report.assumed if words not in whole.assumed]
        whole.notes += [note for note in report.notes if note not in whole.notes]
    return whole


def _to_sort(good: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("value") if "value" in good.columns else pl.lit(None, pl.Float64).alias("value")
    return good.select(*_COLUMNS, "session_id", value)


def _write_events(frames: Iterator[pl.DataFrame], path: Path, repeats: Repeats, *, values: bool) -> None:
    """Write sorted frames as one Parquet file without having them in memory at once."""
    schema = pl.Schema((name, kind) for name, kind in _SORTED.items() if values or name != "value")
    typed = pl.col("timestamp").cast(pl.Datetime("ms", "UTC"))

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        for frame in frames:
            repeats.take(frame)
            kept = frame.select(list(schema)).with_columns(typed)
            yield kept if with_columns is None else kept.select(with_columns)

    final = pl.Schema(schema | {"timestamp": pl.Datetime("ms", "UTC")})
    register_io_source(source, schema=final).sink_parquet(path, compression="zstd", maintain_order=True)


def _session(seen: Seen) -> str:
    if not seen.has_clock:
        return "a day: the times are whole days"
    if seen.sessions:
        return "events of a user with no gap of 30 minutes, or your own ids with MOS_SESSION_PUBLISHER_IDS=true"
    return "events of a user with no gap of 30 minutes (MOS_SESSION_GAP)"


def _origin(source: Source, name: str, outcome: Outcome) -> Origin:
    report = outcome.report
    return Origin(
        name=name,
        format=source.plan.name,
        sources=[part.path.name for part in source.plan.parts],
        unit=report.unit,
        zone=report.zone,
        session=report.session,
        read=report.read,
        kept=report.kept,
        repeats=outcome.repeats,
        refused={why: Refused(count=found.count, first=found.first) for why, found in report.refused.items()},
    )
