"""Names of metrics are contracts: one scheme, and whoever names one names one that exists."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from learning import metrics as of_the_learner
from mos_cli.demo.open_sessions import OpenSessions, count_open
from mos_online.settings import Settings
from serving.metrics import Metrics
from streams import metrics
from streams.kafka.headers import closable_at, passed_on

ROOT = Path(__file__).parents[2]
UNITS = (
    "seconds",
    "records",
    "decisions",
    "sessions",
    "events",
    "queries",
    "info",
    "bytes",
    "ratio",
    "alarms",
    "total",
)
NAME = re.compile(r"\bmos_[a-z_]+_(?:" + "|".join(UNITS) + r")\b")
DOCUMENTS = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md"), ROOT / "README.md"]


def names() -> set[str]:
    assert of_the_learner.RECORDS  # imported, so that its names are there
    text = generate_latest().decode() + Metrics().render().decode()
    families = text_string_to_metric_families(text)
    found = {f.name + ("_total" if f.type == "counter" else "") for f in families}
    return {name for name in found if name.startswith("mos_") and not name.endswith("_created")}


def test_every_name_says_subsystem_and_unit() -> None:
    found = names()
    assert {"mos_consumer_lag_records", "mos_dead_letters_total", "mos_serving_requests_total"} <= found
    subsystems = "consumer|dead|session|sessionizer|profiler|recommender|feedback|learner|serving"
    for name in found:
        assert re.fullmatch(rf"mos_({subsystems})_[a-z_]*({'|'.join(UNITS)})", name), name


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in DOCUMENTS])
def test_documents_name_metrics_that_exist(path: Path) -> None:
    assert set(NAME.findall(path.read_text())) <= names()


def test_the_demo_finds_the_open_sessions() -> None:
    metrics.OPEN_SESSIONS.set(7)
    assert count_open(generate_latest().decode()) == 7


def test_the_demo_asks_for_the_open_sessions_once_in_a_while(
    mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = OpenSessions(mos_home)
    get = Mock(return_value=Mock(text="mos_sessionizer_open_sessions 7.0"))
    monkeypatch.setattr(sessions._http, "get", get)
    assert [sessions() for _ in range(5)] == [7] * 5
    get.assert_called_once()
    sessions.close()


@pytest.mark.parametrize("header", [None, b"", b"soon", b"-5", b"1.5", b" 5", b"9" * 16, b"9" * 5000, b"\xd9\xa3"])
def test_a_header_that_is_no_time_is_neither_measured_nor_passed_on(header: bytes | None) -> None:
    headers = (("closable_at", header),)
    metrics.observe_delay("of-a-test", closable_at(headers))
    assert 'topic="of-a-test"' not in generate_latest().decode()
    assert passed_on(headers) == ()


def test_a_delay_is_measured_from_the_header() -> None:
    metrics.observe_delay("measured", closable_at((("closable_at", b"1"),)))
    assert 'mos_session_delay_seconds_count{topic="measured"} 1.0' in generate_latest().decode()
