"""The baselines of the demo know what the service could know, and nothing else."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from mos_cli.demo.judge import judged
from mos_cli.demo.log import DemoLog
from simulator.dataset import EVENT_COLUMNS, Dataset
from simulator.visitors import INSIDE, START, Asked
from tests.mos_cli.test_demo_report import TRAINED

GAP = 1000


def frame(clicks: list[tuple[str, str, int]]) -> pl.DataFrame:
    rows = [
        dict.fromkeys(EVENT_COLUMNS, None)
        | {"user_id": user, "item_id": item, "timestamp": time, "event_id": f"e{time}", "event_type": "click"}
        for user, item, time in clicks
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def demo(replayed: list[tuple[str, str, int]]) -> DemoLog:
    before = frame([("old", "z", 0)])
    items = pl.DataFrame({"item_id": ["z"], "title": [None], "category": [None]})
    return DemoLog(before=Dataset(name="n", events=before, items=items), replayed=frame(replayed))


def asked(user: str, *, counted_to: int, published: int, label: str, kind: str = INSIDE) -> Asked:
    return Asked(user_id=user, kind=kind, items=[label], counted_to=counted_to, published=published, label=label)


REPLAYED = [
    ("a", "x", 10),
    ("a", "y", 20),  # x and y are together from here on
    ("b", "x", 30),
    ("b", "y", 40),
    ("c", "p", 50),
    ("c", "p2", 60),
    ("d", "x", 70),
]


@pytest.mark.parametrize(("counted_to", "knows"), [(0, False), (19, False), (20, True), (10**6, True)])
def test_neighbours_are_counted_up_to_what_the_service_had_counted(counted_to: int, knows: bool) -> None:
    """User d has just clicked x, which every request says, and y goes with it if that has been counted."""
    one = asked("d", counted_to=counted_to, published=7, label="y")
    result = judged(demo(REPLAYED), [one], TRAINED, gap_ms=GAP).result(INSIDE)
    assert (result.ndcg["knn"].mean == 1.0) is knows
    assert result.ndcg["knn_all_knowing"].mean == 1.0
    assert result.ndcg["mos"].mean == 1.0


def test_nobody_counts_what_was_not_published_when_the_answer_came() -> None:
    """The third request is answered later than the second, and both by older counts than the first."""
    requests = [
        asked("d", counted_to=10**6, published=0, label="x"),
        asked("d", counted_to=45, published=6, label="p"),
        asked("d", counted_to=10, published=7, label="p2"),
    ]
    result = judged(demo(REPLAYED), requests, TRAINED, gap_ms=GAP).result(INSIDE)
    assert result.requests == 3
    assert result.hit_rate["popularity"].mean == 0.0
    assert result.hit_rate["popularity_all_knowing"].mean == pytest.approx(2 / 3)


@pytest.mark.parametrize("resumes", [False, True])
def test_the_session_before_counts_if_the_training_chose_so(resumes: bool) -> None:
    log = demo([*REPLAYED, *[("e", "q", 70 + 2 * GAP + n) for n in range(9)]])
    one = asked("a", counted_to=10**6, published=16, label="x", kind=START)
    trained = msgspec.structs.replace(TRAINED, knn_resumes=resumes)
    result = judged(log, [one], trained, gap_ms=GAP).result(START)
    assert (result.ndcg["knn"].mean == 1.0) is resumes


@pytest.mark.parametrize("repeats", [True, False])
def test_what_a_user_had_is_left_out_if_the_training_chose_so(repeats: bool) -> None:
    """User e had the ten most popular items, the last of them just now, and y goes with it less often than they do."""
    ten = [f"t{n}" for n in range(10)]
    fans = [(f"f{n}", item, 100 + n) for n in range(5) for item in ten]
    log = demo([*REPLAYED, *fans, *[("e", item, 110) for item in ten], ("g", "t9", 120), ("g", "y", 121)])
    one = asked("e", counted_to=10**6, published=len(log.replayed), label="y")
    trained = msgspec.structs.replace(TRAINED, knn_repeats=repeats, popularity_repeats=repeats)
    result = judged(log, [one], trained, gap_ms=GAP).result(INSIDE)
    for name in ("knn", "knn_all_knowing"):
        assert (result.ndcg[name].mean == 1.0) is not repeats
    for name in ("popularity", "popularity_all_knowing"):
        assert (result.hit_rate[name].mean == 1.0) is not repeats
