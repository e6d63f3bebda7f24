"""``mos validate``: a verdict for everything that a log or a topic may get wrong, and what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from mos_online.settings import Settings
from simulator.population import SyntheticConfig, synthesize
from streams.broker.embedded import embedded_broker
from tests.mos_cli.mos_runs import Answer, Mos

DAY = 86_400


@pytest.fixture(scope="module")
def good() -> pl.DataFrame:
    log = synthesize(SyntheticConfig(users=120, themes=3, items_per_theme=12, themes_per_user=2, days=12))
    return log.events.select("user_id", "item_id", timestamp=pl.col("timestamp") // 1000, event_type="event_type")


def write(folder: Path, events: pl.DataFrame, items: list[str] | None = None) -> str:
    folder.mkdir(exist_ok=True)
    events.write_parquet(folder / "events.parquet")
    if items is not None:
        pl.DataFrame({"item_id": items, "category": items}).write_parquet(folder / "items.parquet")
    return str(folder)


def verdicts(answer: Answer) -> Mapping[str, set[str]]:
    """Part -> its verdicts."""
    found: dict[str, set[str]] = {}
    for finding in json.loads(answer.out)["findings"]:
        found.setdefault(finding["part"], set()).add(finding["status"])
        assert finding["status"] in ("PASS", "INFO") or finding["remedy"], finding
    return found


def test_a_good_folder_passes_and_every_part_is_named(mos: Mos, tmp_path: Path, good: pl.DataFrame) -> None:
    dataset = write(tmp_path / "good", good, good["item_id"].unique().to_list())
    answer = mos("validate", "--dataset", dataset)
    assert (answer.status, answer.err) == (0, "")
    assert "failed: 0" in answer.out or "all is well" in answer.out
    found = verdicts(mos("validate", "--dataset", dataset, "--json"))
    parts = ["rows", "times", "time of day", "order", "late", "repeats", "event types", "sessions", "catalogue"]
    assert list(found) == [*parts, "training"]
    assert all("PASS" in found[part] <= {"PASS", "INFO"} for part in parts)


@pytest.mark.parametrize(
    ("change", "part", "verdict", "words"),
    [
        ({"timestamp": pl.col("timestamp") * 1000}, "rows", "FAIL", "are the times in milliseconds, not seconds?"),
        ({"user_id": pl.when(pl.int_range(pl.len()) > 0).then("user_id")}, "rows", "FAIL", "row 1: user_id is None"),
        ({"timestamp": pl.col("timestamp").reverse()}, "late", "WARN", "up to"),
        ({"timestamp": pl.col("timestamp") // DAY * DAY}, "time of day", "WARN", "whole days"),
        ({"timestamp": pl.lit(int(time.time()) + 3600)}, "times", "WARN", "later than now"),
        ({"event_type": pl.lit("impression")}, "event types", "FAIL", "none is an action"),
        ({"event_type": pl.lit("clap")}, "event types", "WARN", "does not name 'clap'"),
        ({"user_id": pl.int_range(pl.len())}, "sessions", "WARN", "no user has a second one"),
        (
            {
                "user_id": pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("one")).otherwise(pl.int_range(pl.len())),
                "timestamp": pl.int_range(pl.len()) + 1_700_000_000,
            },
            "training",
            "FAIL",
            "items that share a session in the older half: `mos train` needs at least 18",
        ),
        ({"item_id": pl.lit("only")}, "training", "FAIL", "1 items: `mos train` needs at least 18"),
        ({"item_id": pl.concat_str(pl.lit("x"), "item_id")}, "catalogue", "FAIL", "0.0% of the events fit it"),
    ],
)
def test_what_is_wrong_with_a_folder_is_found(
    change: dict[str, pl.Expr], part: str, verdict: str, words: str, mos: Mos, tmp_path: Path, good: pl.DataFrame
) -> None:
    dataset = write(tmp_path / "bad", good.with_columns(**change), [*good["item_id"].unique(), "only"])
    answer = mos("validate", "--dataset", dataset, "--json")
    assert verdict in verdicts(answer)[part]
    assert words in answer.out
    assert answer.status == (1 if '"FAIL"' in answer.out else 0)
    assert answer.err == ""


def test_impressions_that_are_older_than_all_clicks_do_not_count(mos: Mos, tmp_path: Path, good: pl.DataFrame) -> None:
    shown = good.with_columns(pl.col("timestamp") - 10**7, event_type=pl.lit("impression"))
    answer = mos("validate", "--dataset", write(tmp_path / "shown", pl.concat([shown, shown, good])), "--json")
    assert "FAIL" not in verdicts(answer)["training"]


def test_a_log_exported_twice_and_one_with_a_giant_user(mos: Mos, tmp_path: Path, good: pl.DataFrame) -> None:
    twice = write(tmp_path / "twice", pl.concat([good, good]))
    assert verdicts(mos("validate", "--dataset", twice, "--json"))["repeats"] == {"WARN"}
    nobody = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("NA")).otherwise("user_id")
    answer = mos("validate", "--dataset", write(tmp_path / "giant", good.with_columns(user_id=nobody)), "--json")
    assert "user 'NA' has" in answer.out


def test_a_file_is_judged_in_its_own_order_and_its_limits_are_those_of_files(mos: Mos, tmp_path: Path) -> None:
    lines = [f"{user}::{item}::5::{10**9 + item}" for user in range(1, 21) for item in range(1, 31)]
    path = tmp_path / "ratings.dat"
    path.write_text("\n".join([*lines, "1::2::5::1e20"]))
    for arguments in ([], ["--format", "movielens"]):
        answer = mos("validate", "--dataset", str(path), *arguments, "--json")
        found = verdicts(answer)
        assert found["order"] == {"INFO"}
        assert found["late"] == {"WARN"}
        assert {"PASS", "WARN"} <= found["rows"]
        assert "line 601" in answer.out
    assert verdicts(mos("validate", "--dataset", str(path), "--max-refused", "0", "--json"))["rows"] >= {"FAIL"}


@pytest.fixture
def producer(mos_home: Settings) -> Iterator[Producer]:
    with embedded_broker(mos_home) as bootstrap:
        yield Producer({"bootstrap.servers": bootstrap, "log_level": 2})


def test_a_topic_is_judged_as_a_worker_would_take_it_and_no_offset_is_committed(
    mos: Mos, mos_home: Settings, producer: Producer
) -> None:
    empty = mos("validate", "--topic", "clicks")
    assert empty.status == 1
    assert "is the producer running" in empty.out
    now = time.time_ns() // 1_000_000
    for number in range(40):
        click = {"event_id": str(number), "user_id": f"u{number % 4}", "item_id": "i", "timestamp": now - 9000 + number}
        producer.produce("clicks", json.dumps(click), f"u{number % 4}", partition=number % 4)
    producer.flush(10)
    fine = mos("validate", "--topic", "clicks", "--json")
    found = verdicts(fine)
    assert fine.status == 0, fine
    assert found["records"] == found["keys"] == found["late"] == found["repeats"] == {"PASS"}
    assert "40 read, with 40 clicks that can be used" in fine.out
    assert "8 read" in mos("validate", "--topic", "clicks", "--last", "8").out

    late = {"event_id": "late", "user_id": "u0", "item_id": "i", "timestamp": now - 60_000}
    ahead = late | {"event_id": "ahead", "timestamp": now + 3_600_000}
    for value, partition in ((late, 0), (late | {"timestamp": now}, 1), (ahead, 1), ({"user_id": "u1"}, 2)):
        producer.produce("clicks", json.dumps(value), "other", partition=partition)
    producer.produce("clicks", json.dumps(late | {"timestamp": now - 9000, "event_id": "0"}), "u0", partition=0)
    producer.flush(10)
    bad = mos("validate", "--topic", "clicks", "--json")
    assert bad.status == 1
    found = verdicts(bad)
    for part in ("records", "keys", "late"):
        assert "FAIL" in found[part], (part, bad.out)
    assert found["repeats"] == {"INFO"}
    for words in ("1 future_timestamp", "1 invalid", "1 clicks repeat", "1 of 4 users have clicks in several"):
        assert words in bad.out, words
    assert committed(mos_home) == set()


def committed(settings: Settings) -> set[int]:
    """Offsets of any group that the reading may have used."""
    bootstrap = json.loads(settings.broker_file.read_text())["bootstrap"]
    found: set[int] = set()
    for group in ("reader", "tail", "validate"):
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": settings.group(group)})
        asked = [TopicPartition("clicks", number) for number in range(4)]
        found |= {one.offset for one in consumer.committed(asked, timeout=10) if one.offset >= 0}
        consumer.close()
    return found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either --dataset NAME or --topic clicks"),
        (["--dataset", "synthetic", "--topic", "clicks"], "either --dataset NAME or --topic clicks"),
        (["--topic", "sessions"], "only clicks can be validated"),
        (["--topic", "clicks", "--zone", "UTC"], "are for --dataset"),
        (["--dataset", "synthetic", "--last", "3"], "are for --topic"),
        (["--topic", "clicks", "--last", "3", "--seconds", "1"], "either --last"),
        (["--topic", "clicks"], "mos kafka"),
    ],
)
def test_what_is_asked_wrongly_is_an_error(arguments: list[str], words: str, mos: Mos) -> None:
    answer = mos("validate", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.err
