"""However a log is written, its import is the same."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import cramjam
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from simulator.datasets.raw import ReadOptions
from simulator.importing.catalogue import Catalogue
from simulator.importing.columns import Asked
from simulator.importing.own import own_file
from simulator.importing.plan import plan_import
from simulator.importing.run import Outcome, Source, import_log

START = 1_600_000_000_123
ID = st.text(alphabet='ab,;"é\nZ9', min_size=1, max_size=8).map(lambda text: f"x{text}x")
EVENT = st.fixed_dictionaries(
    {
        "customer": ID,
        "sku": ID | st.integers(1, 10**12).map(str),
        "at": st.integers(0, 10**9).map(lambda ms: START + ms),
        "action": st.sampled_from(["view", "cart", "purchase"]),
        "visit": st.none() | ID,
    }
)
LOGS = st.lists(EVENT, min_size=3, max_size=40, unique_by=lambda event: event["at"])
UNITS = {"ms": 1, "us": 1000, "ns": 1_000_000}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda data: bytes(cramjam.zstd.compress(data)),
}


def imported(
    paths: list[Path], to: Path, *, run_bytes: int = 2**30, items: Path | None = None, asked: Asked | None = None
) -> Outcome:
    plan = plan_import(paths, asked or Asked(), ReadOptions(), format_name="table")
    catalogue = None if items is None else Catalogue(own_file(items).whole(), {})
    return import_log(Source(plan=plan, catalogue=catalogue), to, run_bytes=run_bytes)


def text_of(events: list[dict[str, Any]], *, kind: str, unit: str) -> bytes:
    rows = [{**event, "at": event["at"] * UNITS[unit]} for event in events]
    if kind == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == "parquet":
        out = io.BytesIO()
        pl.DataFrame(rows, schema=dict.fromkeys(EVENT_TYPES, pl.String) | {"at": pl.Int64}).write_parquet(out)
        return out.getvalue()
    separator, quoting, ends = {
        "csv": (",", csv.QUOTE_MINIMAL, "\n"),
        "quoted": (";", csv.QUOTE_ALL, "\n"),
        "tsv": ("\t", csv.QUOTE_MINIMAL, "\n"),
    }[kind]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, EVENT_TYPES, delimiter=separator, quoting=quoting, lineterminator=ends)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


EVENT_TYPES = ("customer", "sku", "at", "action", "visit")


@pytest.mark.slow
@settings(max_examples=25)
@given(log=LOGS, data=st.data())
def test_a_shuffled_split_and_packed_log_is_the_same(
    log: list[dict[str, Any]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    plain = folder / "plain.jsonl"
    plain.write_bytes(text_of(sorted(log, key=lambda event: int(event["at"])), kind="jsonl", unit="ms"))
    columns = Asked(user="customer", item="sku", type="action", session="visit")
    imported([plain], folder / "one", asked=replace(columns, time="at:ms"))

    shuffled = data.draw(st.permutations(log))
    kind = data.draw(st.sampled_from(["csv", "quoted", "tsv", "jsonl", "parquet"]))
    unit, run_bytes = data.draw(st.sampled_from(list(UNITS))), data.draw(st.sampled_from([1, 3_000, 2**30]))
    cut = data.draw(st.integers(1, len(log) - 1))
    paths = []
    for number, part in enumerate((shuffled[:cut], shuffled[cut:])):
        packing = "" if kind == "parquet" else data.draw(st.sampled_from(list(PACK)))
        paths.append(folder / f"part-{number}.{kind}{packing}")
        paths[-1].write_bytes(PACK[packing](text_of(part, kind=kind, unit=unit)))
    outcome = imported(paths, folder / "two", run_bytes=run_bytes, asked=replace(columns, time=f"at:{unit}"))

    one, two = (pl.read_parquet(folder / name / "events.parquet") for name in ("one", "two"))
    assert one.equals(two)
    assert (outcome.report.read, outcome.report.kept, outcome.report.refused) == (len(log), len(log), {})
    assert dict(outcome.seen.types) == {
        kind: count for kind in ("view", "cart", "purchase") if (count := sum(event["action"] == kind for event in log))
    }
    expected = sorted(log, key=lambda event: int(event["at"]))
    assert two["timestamp"].dt.epoch("ms").to_list() == [event["at"] for event in expected]
    assert two["user_id"].to_list() == [event["customer"] for event in expected]
    assert two["session_id"].to_list() == [event["visit"] for event in expected]


def test_events_of_one_moment_stay_in_the_order_of_the_files(tmp_path: Path) -> None:
    paths = [tmp_path / "b.csv", tmp_path / "a.csv"]
    for path, start in zip(paths, (0, 50), strict=True):
        rows = [f"u,i{number},1600000000" for number in range(start, start + 50)]
        path.write_text("\n".join(["user,item,ts", *rows]))
    imported(paths, tmp_path / "log", run_bytes=1)
    assert pl.read_parquet(tmp_path / "log" / "events.parquet")["item_id"].to_list() == [f"i{n}" for n in range(100)]


def test_ids_of_events_and_catalogue_become_text_in_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user,item,ts\n1.0,12.0,1600000000\n01, 13 ,1600000001\n2,014,1600000002\n")
    pl.DataFrame({"sku": [12.0, 13.0, None], "name": ["a", "b", "c"], "price": [1.5, None, 2.0]}).write_parquet(
        tmp_path / "items.parquet"
    )
    outcome = imported([tmp_path / "events.csv"], tmp_path / "log", items=tmp_path / "items.parquet")
    events, items = (pl.read_parquet(tmp_path / "log" / f"{name}.parquet") for name in ("events", "items"))
    assert events.select("user_id", "item_id").rows() == [("1", "12"), ("01", "13"), ("2", "014")]
    assert items.rows() == [("12", "a", None, 1.5), ("13", "b", None, None)]
    assert items.columns == ["item_id", "title", "category", "price"]
    assert (outcome.matched, outcome.sold) == (2, 3)
    described = json.loads((tmp_path / "log" / "dataset.json").read_text())
    assert (described["read"], described["unit"], described["sources"]) == (3, "seconds", ["events.csv"])


def test_a_catalogue_of_other_items_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user,item,ts\n1,12,1600000000\n")
    (tmp_path / "items.csv").write_text("sku,name\nA12,x\n")
    with pytest.raises(
        DatasetError, match=r"no item of the events is in the catalogue: events have '12', .* has 'A12'"
    ):
        imported([tmp_path / "events.csv"], tmp_path / "log", items=tmp_path / "items.csv")
    assert not (tmp_path / "log").exists()


def test_categories_of_the_events_make_a_catalogue(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "user,item,ts,category,value\n1,12,1600000000,5.0,0.5\n1,13,1600000001,,\n1,12,1600000002,6,1\n"
    )
    imported([tmp_path / "events.csv"], tmp_path / "log")
    assert pl.read_parquet(tmp_path / "log" / "items.parquet").rows() == [("12", None, "6"), ("13", None, None)]
    assert pl.read_parquet(tmp_path / "log" / "events.parquet")["value"].to_list() == [0.5, None, 1.0]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_date_and_time_of_two_columns_are_put_together(kind: str, tmp_path: Path) -> None:
    moments = [datetime(2024, 3, 4, 23, 59, 58, 500_000), datetime(2024, 3, 5, 0, 0, 1)]  # noqa: DTZ001 - local times
    table = pl.DataFrame({"who": ["a", "b", "c"], "what": ["x", "y", "x"]}).with_columns(
        day=pl.Series([*(moment.date() for moment in moments), None]),
        hour=pl.Series([*map(datetime.time, moments)] * 2)[:3],
    )
    path = tmp_path / f"log.{kind}"
    if kind == "parquet":
        table.write_parquet(path)
    else:
        text = table.with_columns(pl.col("day").cast(pl.String), pl.col("hour").dt.to_string("%H:%M:%S%.f"))
        path.write_text(text.write_csv() if kind == "csv" else text.write_ndjson())
    asked = Asked(user="who", item="what", time="day+hour", type="=view")
    plan = plan_import([path], asked, ReadOptions(zone="Asia/Tokyo"), format_name="table")
    outcome = import_log(Source(plan=plan, max_refused=0.5), tmp_path / "log")
    events = pl.read_parquet(tmp_path / "log" / "events.parquet")
    assert events["timestamp"].dt.convert_time_zone("Asia/Tokyo").dt.replace_time_zone(None).to_list() == moments
    assert outcome.report.refused["missing_time"].value == "day+hour (timestamp) is None"


def test_nested_fields_of_json_have_dotted_names(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {
            "user": {"id": 7, "tags": ["x"]},
            'a"b': {"": 1},
            "page.url": "/",
            "product": {"sku": "a"},
            "ts": 1600000000,
            "extra": [[1]],
        },
        {"user": None, "product": {"sku": "b"}, "ts": 1600000001},
        {"user": {"id": 8.0}, "product": {"sku": ["c"]}, "ts": 1600000002},
        {"user": {"id": "9"}, "product": {"sku": "d"}, "ts": "1600000003"},
    ]
    text = "\n".join([*map(json.dumps, lines), '{"broken', ""])
    (tmp_path / "log.jsonl").write_text(text)
    plan = plan_import([tmp_path / "log.jsonl"], Asked(), ReadOptions())
    outcome = import_log(Source(plan=plan, max_refused=1), tmp_path / "log")
    assert pl.read_parquet(tmp_path / "log" / "events.parquet")["user_id"].to_list() == ["7", "9"]
    assert {reason: refusal.row for reason, refusal in outcome.report.refused.items()} == {
        "missing_user": 2, "unusable_id": 3, "not_json": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"just words\nno table\n", "looks like no table"),
        (b"PK\x03\x04zip", "zip archive"),
        (b"PAR1 is not enough", "Parquet"),
        (b"[1, 2]\n", "none of its first lines is an object"),
        (b"user,item,ts\n", "holds no events"),
        (b"\x1f\x8bgarbage", "damaged"),
        (b"\x00\x01\x02\x03", "NUL"),
        (b"sep=;\nuser;item;ts\n" + b"1;2;1600000000\n" * 9, "line 1 has 2 fields, most lines have 3"),
    ],
)
def test_what_is_no_log_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        imported([tmp_path / "file"], tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_files_must_be_there_once_and_alike(tmp_path: Path) -> None:
    log, other = tmp_path / "a.csv", tmp_path / "b.csv"
    log.write_text("user,item,ts\n1,2,1600000000\n")
    other.write_text("user,product,ts\n1,2,1600000000\n")
    with pytest.raises(DatasetError, match=r"b\.csv has no column 'item', which the first file has"):
        imported([log, other], tmp_path / "log")
    with pytest.raises(DatasetError, match="is named twice"):
        imported([log, log], tmp_path / "log")
    with pytest.raises(DatasetError, match="does not exist"):
        imported([tmp_path / "nowhere"], tmp_path / "log")


@example(content=b"\t\n\x01;\n")
@given(content=st.binary(max_size=200) | st.text(alphabet='a1,;"\n\t{}[]:', max_size=200).map(str.encode))
def test_no_bytes_are_a_traceback(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("log")
    (folder / "file").write_bytes(content)
    with pytest.raises(DatasetError):
        imported([folder / "file"], folder / "log")


def test_rows_that_repeat_are_kept_and_counted(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,ts\n" + "u,a,1600000000\n" * 3 + "u,b,1600000000\nu,a,1600000001\n")
    outcome = imported([tmp_path / "log.csv"], tmp_path / "log", run_bytes=1)
    assert (outcome.report.kept, outcome.repeats) == (5, 2)
    assert len(pl.read_parquet(tmp_path / "log" / "events.parquet")) == 5
