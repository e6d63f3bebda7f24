"""The one check: every row of every format, folder and import goes through it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import polars as pl

from mos_online.contracts.fields import MAX_ID
from simulator.dataset import EVENT_COLUMNS
from simulator.datasets.ids import Ids, id_text
from simulator.datasets.raw import RawRows, ReadOptions
from simulator.datasets.report import ReadReport, Refusal, cut, shown
from simulator.datasets.times import Bounds, other_unit, recognise_unit, to_ms, unit_name

_FAULTS = {
    "user_id": {"missing": "missing_user", "long": "long_id", "unusable": "unusable_id"},
    "item_id": {"missing": "missing_item", "long": "long_id", "unusable": "unusable_id"},
    "session_id": {"long": "long_id", "unusable": "unusable_id"},
    "event_type": {"missing": "missing_type", "long": "long_type", "unusable": "unusable_id"},
}
"""Column -> fault of an id there -> the reason for refusing the row; a fault without a reason makes it null."""


class Check:
    """Judges rows as they are found, and keeps the report.

    Args:
        unit: of the times, as ``to_ms`` takes it; None: it is recognised in the first chunk that has times.
        zone: IANA name of the zone of times that name none; None: UTC is assumed, and the report says so.
        event_type: of all rows, where the chunks have no such column.
        missing: words for missing ids, besides those that are always missing.
        expected: reasons that the publication is known for -> the largest share of the rows that is due to that.
        bounds: the times that are believed; None: ``Bounds.now()``.
        named: column of a chunk -> what the file calls it, where that is another name.
    """

    def __init__(
        self,
        *,
        unit: str | None,
        zone: str | None = None,
        event_type: str = "click",
        missing: Collection[str] = (),
        expected: Mapping[str, float] | None = None,
        bounds: Bounds | None = None,
        named: Mapping[str, str] | None = None,
    ) -> None:
        self.report = ReadReport(expected=expected or {})
        self._unit = unit
        self._zone = zone
        self._event_type = event_type
        self._missing = missing
        self._bounds = bounds or Bounds.now()
        self._named = named or {}
        if unit is not None:
            self.report.unit = unit_name(unit)

    def take(self, rows: RawRows) -> pl.DataFrame:
        """Judge a chunk.

        Returns:
            The good rows in their order: user_id, item_id, timestamp (int64, ms since epoch UTC), event_type and
            session_id, and where the chunk has them category (str or null) and value (float64 or null).
        """
        frame, report = rows.frame, self.report
        report.read += len(frame)
        report.notes += [note for note in rows.notes if note not in report.notes]
        columns, faults = self._ids(frame)
        columns["timestamp"], fault = self._times(frame["timestamp"])
        if fault is not None:
            faults.append(("timestamp", fault))
        if "refused" in frame.columns and frame["refused"].null_count() < len(frame):
            faults.insert(0, ("found", frame["refused"]))
        good = pl.DataFrame([column.alias(name) for name, column in columns.items()])
        if faults:
            reason = pl.DataFrame([fault.alias(str(at)) for at, (_, fault) in enumerate(faults)])
            reasons = reason.select(pl.coalesce(pl.all())).to_series()
            self._refuse(rows, faults, reasons)
            good = good.filter(reasons.is_null())
        report.kept += len(good)
        return good

    def all_of(self, rows: Iterable[RawRows], options: ReadOptions) -> list[pl.DataFrame]:
        """Judge all chunks of a log; ``options.look`` gets the good rows of each."""
        chunks = []
        for found in rows:
            chunks.append(self.take(found))
            options.look(chunks[-1])
        return chunks

    def _ids(self, frame: pl.DataFrame) -> tuple[dict[str, pl.Series], list[tuple[str, pl.Series]]]:
        """The columns of text by name, and of which column each fault is."""
        columns: dict[str, pl.Series] = {}
        faults: list[tuple[str, pl.Series]] = []
        for name in ("user_id", "item_id", "timestamp", "event_type", "session_id"):
            if name == "timestamp":  # is read by itself, and has its place in the order of the columns
                columns[name] = frame[name]
                continue
            if name not in frame.columns:
                value = self._event_type if name == "event_type" else None
                columns[name] = pl.Series([value], dtype=pl.String).new_from_index(0, len(frame))
                continue
            ids = id_text(frame[name], self._missing if name != "event_type" else ())
            columns[name] = ids.text
            if ids.faults is not None:
                reasons = ids.faults.replace_strict(_FAULTS[name], default=None, return_dtype=pl.String)
                if reasons.null_count() < len(reasons):
                    faults.append((name, reasons))
        if "category" in frame.columns:
            columns["category"] = self._category(id_text(frame["category"], self._missing))
        if "value" in frame.columns:
            columns["value"] = frame["value"].cast(pl.Float64, strict=False).fill_nan(None)
        return columns, faults

    def _category(self, ids: Ids) -> pl.Series:
        """Categories; one that cannot be used is none, which the report notes."""
        if ids.faults is not None and ids.faults.is_in(["long", "unusable"]).any():
            note = f"a category that is longer than {MAX_ID} characters, or no text or number, is left out"
            self.report.notes += [note] if note not in self.report.notes else []
        return ids.text

    def _times(self, column: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        unit = self._unit
        if unit is None and not column.dtype.is_temporal() and (unit := recognise_unit(column)) is not None:
            self._unit, self.report.unit = unit, unit_name(unit)
            self.report.assumed.append(f"times are {unit_name(unit)}, which is how most of them make sense")
        times = to_ms(column, unit or "iso", zone=self._zone or "UTC", bounds=self._bounds)
        if column.dtype.is_temporal():
            self.report.unit = "datetime"
        if times.local and not self.report.zone:
            self.report.zone = self._zone or "UTC"
            if self._zone is None:
                self.report.assumed.append("times name no zone and are taken as UTC; --zone names another")
        return times.ms, times.faults

    def _refuse(self, rows: RawRows, faults: list[tuple[str, pl.Series]], reasons: pl.Series) -> None:
        """Count the refused rows by reason, with the first row of each."""
        at = pl.DataFrame({"reason": reasons, "at": pl.Series(range(len(reasons)), dtype=pl.Int64)})
        counted = at.drop_nulls("reason").group_by("reason", maintain_order=True).agg(pl.len(), pl.col("at").first())
        for reason, count, first in counted.iter_rows():
            column = next(name for name, fault in faults if fault[first] is not None)
            value = rows.frame[column][first] if column in rows.frame.columns else None
            text = cut(str(value)) if column == "found" else f"{self._named.get(column, column)} is {shown(value)}"
            hint = None
            if reason == "time_out_of_range":
                hint = other_unit(value, self._unit or "iso")
            row = int(rows.frame["row"][first])
            where = f"{rows.path.name}, {rows.counted} {row}"
            self.report.refuse(reason, Refusal(count, where, row, text, hint or ""))


def empty_events() -> pl.DataFrame:
    """No rows, with the columns that every result of ``Check.take`` has."""
    return pl.DataFrame(schema={name: kind for name, kind in EVENT_COLUMNS.items() if name != "event_id"})
