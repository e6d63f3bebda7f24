from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.exposures.data import ExposureData
from evaluation.exposures.lists import Exposure, exposures
from evaluation.exposures.ranking import fit_candidate, score_lists
from evaluation.protocol.fitting import FitConfig
from mos_online.contracts import EventTypes
from mos_online.errors import DatasetError, ModelError
from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from tests.evaluation.conftest import CONFIG

BUDGET = FitConfig(epochs=1, rates=(3e-3,), seconds=20.0)
SCHEMA = ("user_id", "item_id", "event_id", "timestamp", "event_type", "session_id")


def log(*rows: tuple[str, str, int, str, str | None]) -> pl.DataFrame:
    numbered = [(user, item, f"e{n:03}", *rest) for n, (user, item, *rest) in enumerate(rows)]
    return pl.DataFrame(numbered, schema=SCHEMA, orient="row", infer_schema_length=None)


def test_lists_of_a_hand_made_log() -> None:
    made = exposures(
        log(
            ("u", "a", 10, "click", None),  # history
            ("u", "b", 50, "impression", "s"),
            ("u", "c", 50, "click", "s"),
            ("u", "d", 50, "impression", "s"),
            ("v", "b", 50, "impression", "t"),  # nothing clicked
            ("v", "c", 60, "click", "t"),  # everything clicked
            ("w", "d", 70, "click", "x"),
            ("w", "d", 70, "impression", "x"),  # in view twice
            ("w", "a", 70, "impression", "x"),
        ),
        EventTypes.parse(),
    )
    assert made == [
        Exposure(user="u", time=50, click="e002", items=("b", "c", "d"), clicked=(False, True, False)),
        Exposure(user="w", time=70, click="e006", items=("d", "a"), clicked=(True, False)),
    ]


def test_a_log_without_lists_is_refused() -> None:
    with pytest.raises(DatasetError, match="give a log that records what was shown"):
        exposures(log(("u", "a", 10, "click", None), ("u", "b", 20, "click", None)), EventTypes.parse())


@pytest.fixture(scope="module")
def events(population: Dataset) -> pl.DataFrame:
    """The last tenth of the clicks, each beside a known item and one that nobody ever clicks; one item is fresh."""
    clicks = population.clicks
    begin, first = clicks["timestamp"][-(len(clicks) // 10)], clicks["item_id"].mode().sort()[0]
    fresh = clicks.filter(pl.col("timestamp") > begin, pl.col("item_id") != first)["event_id"][5]
    item = pl.when(pl.col("event_id") == fresh).then(pl.lit("fresh")).otherwise("item_id")
    clicks = clicks.with_columns(item_id=item)
    late = clicks.filter(pl.col("timestamp") >= begin)
    beside = [
        late.with_columns(item_id=pl.lit(item), event_id=pl.col("event_id") + mark, event_type=pl.lit("impression"))
        for item, mark in ((first, "-x"), ("never clicked", "-y"))
    ]
    return pl.concat([clicks, *beside]).sort("timestamp", "event_id")


@pytest.fixture(scope="module")
def shown(events: pl.DataFrame, population: Dataset) -> ExposureData:
    return ExposureData(events, population.items, sessions=SessionConfig(), config=CONFIG, name="shown")


def test_the_fit_ends_where_the_first_list_begins(shown: ExposureData) -> None:
    begin = shown.shown[0].time
    for batches in (shown.train, shown.validation):
        assert max(shown.log.times[requests.positions].max() for requests in batches) < begin
    assert shown.past(1).filter(pl.col("timestamp") >= begin).is_empty()
    assert "impression" not in set(shown.log.events["event_type"])


def test_items_that_were_only_shown_have_rows_like_those_of_items_clicked_later(shown: ExposureData) -> None:
    row = shown.catalogue.items.index("never clicked") + 1
    sizes = {len(shown.known), len(shown.routing.table), len(shown.routing.item_theme), len(shown.catalogue.items) + 1}
    assert sizes == {row + 1}
    assert shown.known[row] == 0
    assert not shown.routing.table[row].any()


def test_a_list_is_scored_by_what_came_before_it(shown: ExposureData, events: pl.DataFrame) -> None:
    popularity = COUNTING_MODELS["popularity"](shown)
    fitted = [fit_candidate(shown, "mos", backbone="gru4rec", sizes=Sizes(width=8), config=BUDGET, seed=0)]
    neural, counted = score_lists(shown, fitted, [popularity])
    assert len(neural) == len(counted) == len(shown.shown)
    for scores in (*neural, *counted):
        assert np.exp(scores).sum() == pytest.approx(1.0)
    number = len(shown.shown) // 2
    one = shown.shown[number]
    by_hand = COUNTING_MODELS["popularity"](shown)
    for position, click in shown.replay():
        if position == shown.position[number]:
            break
        by_hand.observe(click)
    chances = np.array([max(by_hand.popularity.share(item), 1e-5) for item in one.items])
    assert np.exp(counted[number]) == pytest.approx(chances / chances.sum())


def test_the_label_does_not_show(shown: ExposureData) -> None:
    """An item whose first click answers the list scores exactly like one that is never clicked."""
    fitted = [fit_candidate(shown, "mos", backbone="gru4rec", sizes=Sizes(width=8), config=BUDGET, seed=0)]
    scores = score_lists(shown, fitted, [COUNTING_MODELS["item-knn"](shown)])
    number = next(n for n, one in enumerate(shown.shown) if "fresh" in one.items)
    one = shown.shown[number]
    clicked, beside = one.items.index("fresh"), one.items.index("never clicked")
    assert one.clicked[clicked]
    for made in scores:
        assert made[number][clicked] == pytest.approx(made[number][beside], abs=1e-6)
        assert np.ptp(made[number]) > 1e-3


def test_unknown_contestants_are_named(shown: ExposureData) -> None:
    with pytest.raises(ModelError, match="cannot rank lists; choose one of backbone"):
        fit_candidate(shown, "mos-own", backbone="gru4rec", sizes=Sizes(width=8), config=BUDGET, seed=0)
