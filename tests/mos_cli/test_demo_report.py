"""The demo's report: its keys, its faults, its page, and that the page's template is in the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from mos_cli.demo.display import RunningTotals
from mos_cli.demo.judge import judged
from mos_cli.demo.learning import Learned
from mos_cli.demo.log import DemoLog, cut
from mos_cli.demo.page import render
from mos_cli.demo.phases import Phases
from mos_cli.demo.report import Outcome, build_report
from mos_cli.demo.seen import Seen
from mos_cli.demo.terminal import print_report
from mos_cli.demo.verify import ProfileCheck, SessionCheck, check_sessions
from mos_cli.demo.visit import SELDOM, visitors_of
from mos_cli.demo.watch import Waits, Watched
from mos_online.contracts import RankedItem, Recommendation, Session, SessionEvent
from mos_online.contracts.recommendations import request_id_of
from mos_online.errors import DatasetError
from mos_online.items.clicks import to_clicks
from mos_online.metrics.ranking import Estimate
from mos_online.sessions import offline_sessions
from mos_online.settings import Settings
from mos_online.training import TrainReport
from simulator.datasets import load
from simulator.loop.measured import Measured
from simulator.loop.probabilities import Probabilities, SimulatedFastWeights
from tests.mos_cli.test_demo_experiment import FOUND

ROOT = Path(__file__).parents[2]
POPULATION = "synthetic:users=100,themes=4,items_per_theme=10,days=5"
LABELS = ["unrouted", "jazz (9 items)", "<b>chess</b> & co (9 items)"]
TRAINED = TrainReport(
    version="m-1",
    router_version="r-1",
    events=1000,
    content=0,
    listed=0,
    items=40,
    router_events=500,
    examples=300,
    validation_examples=100,
    half_life_hours=2.5,
    knn_half_life_hours=24.0,
    knn_resumes=True,
    mos_hit_rate=0.5,
    mos_ndcg=0.25,
    alone_hit_rate=0.35,
    alone_ndcg=0.2,
    ahead_hours=0.0,
    ahead_learned=False,
    ahead_repeats=True,
    ahead_examples=0,
    ahead_ndcg=0.0,
    ahead_as_now_ndcg=0.0,
    alike=True,
    baselines={"popularity": {"ndcg_at_10": Estimate(mean=0.1, low=0.0, high=0.2)}},
    passes=3,
    seconds=1.5,
    theme_labels=LABELS,
)


HOURS = np.arange(200) * 108_000  # ms: 200 requests in 6 hours
LEARNED = Learned(
    measured=Measured(
        names=["frozen", "counts", "online", "tuned"],
        shown=3,
        time=HOURS,
        user=np.arange(200) % 40,
        clicks=np.zeros(200, np.int64),
        ndcg=np.column_stack(
            [np.full(200, 0.25), np.full(200, 0.5), *2 * [np.where(HOURS < 7_200_000, 0.5, 0.75)]],
        ),
        worth=np.zeros((200, 4)),
        closed=HOURS,
        ring=np.arange(200) % 4,
        themes=np.column_stack([np.zeros(200, np.int64), *3 * [np.arange(200) % 4]]),
    ),
    duration=6 * 3_600_000,
    drift_at=2 * 3_600_000,
    revisions={"promoted": 3},
    fine_tunings={"promoted": 1, "refused": 1},
    probabilities=Probabilities(
        items=1000,
        clicks=50,
        expected={"first": 40.0, "newest": 51.0},
        gain=Estimate(mean=0.003, low=0.002, high=0.004),
    ),
)


@pytest.fixture(scope="module")
def log() -> DemoLog:
    return cut(load(POPULATION, None), start="0.8", count=300)


def streamed(log: DemoLog, settings: Settings) -> dict[str, Session]:
    """The sessions of the replay, as the stream would publish them."""
    rows = offline_sessions(log.replayed, settings.sessions).iter_rows(named=True)
    times = dict(zip(log.replayed["event_id"], log.replayed["timestamp"], strict=True))
    return {
        row["session_id"]: Session(
            session_id=row["session_id"],
            user_id=row["user_id"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            close_reason=row["close_reason"],
            watermark=row["ended_at"],
            events=[
                SessionEvent(event_id=event, item_id=item, timestamp=times[event], event_type="click")
                for event, item in zip(row["event_ids"], row["item_ids"], strict=True)
            ],
        )
        for row in rows
    }


def recommended(session: Session) -> Recommendation:
    return Recommendation(
        request_id=request_id_of(session.session_id),
        user_id=session.user_id,
        fallback=None,
        items=[RankedItem(item_id=session.events[0].item_id, score=1.0, theme=2)],
        model_version="m-1",
        router_version="r-1",
        trigger="session_closed",
        session_id=session.session_id,
        created_at=session.ended_at,
    )


@pytest.fixture
def outcome(log: DemoLog, mos_home: Settings) -> Outcome:
    """A run in which everything was right."""
    sessions = streamed(log, mos_home)
    visitors = visitors_of(log, mos_home)
    visitors.http_ms += [5.0, 7.0, 100.0]
    visitors.popularity_age_ms += [0, 5000, 10_000]
    seen = Seen(
        sessions=sessions,
        embedded=dict.fromkeys(sessions, 2),
        recommendations={name: recommended(session) for name, session in sessions.items()},
        close_ms=[10] * len(sessions),
    )
    for session in sessions.values():
        visitors.on_recommendation(recommended(session))
    for click in to_clicks(log.replayed.head(SELDOM - 1), {}):
        visitors.before_click(click)  # settles what was recommended; nobody asks
    timeline = [
        RunningTotals(
            seconds=seconds / 5,
            event_time=log.span[0],
            events=seconds * 30,
            of=300,
            sessions=seconds,
            open=2,
            embeddings=seconds,
            recommendations=seconds,
            asked=3,
            freshness_p50=None,
            http_p50=7.0,
            errors=0,
        )
        for seconds in range(11)
    ]
    phases = Phases()
    for name in ("load", "train", "backfill", "start", "replay", "drain", "count", "check", "judge"):
        with phases.measure(name):
            pass
    users = len({session.user_id for session in sessions.values()})
    judge = judged(log, visitors.asked, TRAINED, gap_ms=mos_home.sessions.gap)
    return Outcome(
        log=log,
        trained=TRAINED,
        backfilled=17,
        watched=Watched(
            seen=seen,
            visitors=visitors,
            timeline=timeline,
            expected=log.replayed,
            waits=Waits(spans_ms={"popularity": 60_000.0}, seconds=1.25, given_up=0),
        ),
        sessions=check_sessions(sessions, log.replayed, mos_home.sessions),
        profiles=ProfileCheck(expected=users, readable=users, stale=0),
        quality={kind: judge.result(kind) for kind in judge.kinds},
        learned=LEARNED,
        experiment=FOUND,
        phases=phases,
    )


def test_a_run_in_which_everything_was_right_passes(outcome: Outcome) -> None:
    report = build_report(outcome)
    assert report["faults"] == []
    assert report["passed"]
    assert report["sessions"]["closed"] == report["sessions"]["oracle"] == len(outcome.watched.seen.sessions) > 10
    assert report["events"] == {"sent": 300, "per_second": 150.0, "event_hours": report["events"]["event_hours"]}
    assert report["latency_ms"]["http"] == {"n": 3, "p50": 7.0, "p90": 81.4, "p99": 98.14, "max": 100.0}
    assert report["latency_ms"]["click_to_profile"]["n"] == 0
    assert report["profiles"]["backfilled"] == 17
    assert report["freshness"]["popularity_age_seconds"]["p50"] == 5.0
    assert report["freshness"]["bound_seconds"] == {"popularity": 60.0}
    assert report["freshness"]["waited_in_vain"] == 0


def test_the_documentation_explains_every_key(outcome: Outcome) -> None:
    page = (ROOT / "docs" / "demo-report.md").read_text()
    report = build_report(outcome)
    keys = [*report, *report["freshness"], *report["phases"], *report["latency_ms"], *report["sessions"]]
    keys += [*report["learned"], *report["learned"]["click_probabilities"]]
    for key in [*keys, *report["experiment"], *report["experiment"]["users"]["b"]]:
        assert key in page, key


def lost(outcome: Outcome, **parts: Any) -> list[str]:
    """Faults of a report in which these parts of what was seen are otherwise."""
    seen = replace(outcome.watched.seen, **parts)
    return list(build_report(replace(outcome, watched=replace(outcome.watched, seen=seen)))["faults"])


def test_whatever_is_lost_or_wrong_is_a_fault(outcome: Outcome) -> None:
    seen = outcome.watched.seen
    first = next(iter(seen.sessions))
    assert lost(outcome, embedded={}) == [f"{len(seen.sessions)} closed sessions have no embedding"]
    assert lost(outcome, recommendations={}) == [f"{len(seen.sessions)} closed sessions have no recommendation"]
    assert lost(outcome, changed={first}) == ["1 sessions were published again with other content"]
    assert lost(outcome, late=2) == ["2 late events and 0 dead letters in a clean replay"]
    missing = SessionCheck(oracle=5, closed=4, missing=1, different=0, unexpected=0, examples=("missing x",))
    assert build_report(replace(outcome, sessions=missing))["faults"][:2] == [
        "sessions: 1 missing, 0 different, 0 unexpected",
        "missing x",
    ]
    stale = ProfileCheck(expected=3, readable=2, stale=1)
    assert build_report(replace(outcome, profiles=stale))["faults"] == ["Feast: 1 users not readable, 1 not up to date"]


class Page(HTMLParser):
    """Counts tags and gathers the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_the_figures_and_escapes_what_is_not_ours(outcome: Outcome) -> None:
    report = build_report(outcome)
    text = render(report, [now.row() for now in outcome.watched.timeline], outcome.watched.delays)
    page = Page(text)
    assert page.open == []
    assert page.tags.count("svg") == 4
    assert "b" in page.tags  # ours, of the user's name
    assert page.tags.count("b") == len(report["samples"]) + 1  # and the difference
    words = " ".join(page.text.split())
    assert "MoS Online on synthetic" in words
    assert "passed" in words
    assert "after a session on <b>chess</b> & co:" in words
    assert "n 3 p50 7 p90 81.4 p99 98.1 max 100.0" in words
    assert "Dead letters, by reason none" in words
    assert "No difference was found." in words
    assert "a50 %" in words
    failed = Page(render({**report, "passed": False, "faults": ["a < b", "c"]}, [], {}))
    assert "FAILED: a < b; c" in failed.text
    assert failed.tags.count("svg") == 2


def test_the_short_form_says_the_same(outcome: Outcome) -> None:
    report, out = build_report(outcome), StringIO()
    print_report(report, Console(file=out, width=200), Path("/somewhere/report.html"))
    shown = " ".join(out.getvalue().split())
    assert f"{report['sessions']['closed']} closed, oracle {report['sessions']['oracle']}: 0 missing" in shown
    assert "p50 7 ms, p99 98 ms (3)" in shown
    assert "p50 5 s, p99 10 s of event time; its half-life is 9,000 s" in shown
    assert "click to recommendation nothing measured" in shown
    assert "of 1,500 users are counted, each once" in shown
    assert "experiment: split as planned" in shown
    assert "passed in" in shown
    assert "/somewhere/report.html" in shown


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(DatasetError, match=r"clicks before .* are too few to train on, 400 are needed"):
        cut(load(POPULATION, None), start="0.01", count=300)


def test_visitors_ask_seldom_enough(log: DemoLog, mos_home: Settings, free_port: Callable[[], int]) -> None:
    visitors = visitors_of(log, mos_home.model_copy(update={"serve_port": free_port()}))
    for click in to_clicks(log.replayed.head(10 * SELDOM), {}):
        visitors.before_click(click)
    visitors.close()
    assert visitors.failures == {"ConnectError": 10}  # nobody answers; every request is counted


def test_the_template_is_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mos_cli/demo/templates").iterdir()}
    assert len(templates) == 2
    assert templates <= names


def test_the_report_says_what_learning_was_worth(outcome: Outcome) -> None:
    """After the drift: what was measured before it says nothing of what was regained."""
    report = build_report(outcome)
    learned = report["learned"]
    assert learned["requests"] == 200
    assert learned["drift_at_hours"] == 2
    assert learned["ndcg"]["online"]["mean"] == pytest.approx(0.75)
    assert learned["minus_frozen"] == {
        "counts": {"mean": 0.25, "low": 0.25, "high": 0.25},
        "online": {"mean": 0.5, "low": 0.5, "high": 0.5},
        "tuned": {"mean": 0.5, "low": 0.5, "high": 0.5},
    }
    assert learned["fine_tunings"] == {"promoted": 1, "refused": 1}
    assert learned["click_probabilities"]["expected"] == {"first": 40.0, "newest": 51.0}
    nothing = replace(LEARNED, probabilities=SimulatedFastWeights().found(0))
    assert nothing.report()["click_probabilities"] is None  # NaN is no JSON
    assert learned["agreement"]["online"] == pytest.approx(1.0)
    nobody = np.array([], np.int64)
    unknown = replace(LEARNED.measured, closed=nobody, ring=nobody, themes=nobody.reshape(0, 4))
    assert set(replace(LEARNED, measured=unknown).report()["agreement"].values()) == {None}  # NaN is no JSON
    assert len(learned["windows"]) == 12
    assert learned["windows"][0]["ndcg"]["online"]["mean"] == pytest.approx(0.5)
    page = render(report, [], {})
    assert "What learning was worth" in page
    assert "0.5000 [0.5000, 0.5000]" in page
    console = Console(file=StringIO(), width=200)
    print_report(report, console, Path("report.html"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "+0.5000 [+0.5000, +0.5000] NDCG@10 over frozen" in shown
    assert "1 promoted, 1 refused" in shown
    assert "50 clicks; expected 51 by the newest weights, 40 by the first ones" in page
