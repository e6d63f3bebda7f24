"""Training end to end: what is published is what was measured, and the service ranks as the model scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from mos_online.contracts import SessionEvent
from mos_online.errors import DatasetError, ModelError
from mos_online.items.co_clicks import CoClicks
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, merge
from mos_online.model import History, MoS, collate
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.model.co_clicks import evidence_of
from mos_online.model.mixing import NEIGHBOURS
from mos_online.model.realtime import realtime_of
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig, TrainReport, fitting, train
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.examples import ExampleLog
from mos_online.training.fit import Outcome, Reached
from mos_online.training.moments import moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.publish import unclicked_share
from mos_online.training.ranking import CatalogueRanking
from mos_online.training.routing import route_log
from mos_online.training.sequence_log import SequenceLog
from mos_online.users.profile import UserProfile
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

EVENTS = 6000
HOUR, START = 3_600_000, 1_700_000_000_000
CONFIG = TrainConfig(themes=5, width=16, recent=10, theme_ring=8, minutes=0.1, epochs=2, threads=1, step=256, moment=64)


class Trained(msgspec.Struct):
    log: Dataset
    registry: Registry
    report: TrainReport
    progress: list[tuple[str, float]]


def trained_on(
    events: pl.DataFrame, items: pl.DataFrame, folder: Path, progress: list[tuple[str, float]]
) -> TrainReport:
    return train(
        events,
        items,
        Registry(folder),
        sessions=SessionConfig(),
        config=CONFIG,
        name="planted",
        on_progress=lambda stage, part, words: progress.append((stage, part)),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    log = synthesize(SyntheticConfig(users=120, themes=5, items_per_theme=20))
    folder, progress = tmp_path_factory.mktemp("models"), list[tuple[str, float]]()
    unheard = [(f"unheard {name}", f"{name} 999", None) for name in sorted(set(log.items["category"]))]
    items = pl.concat([log.items, pl.DataFrame(unheard, schema=log.items.schema, orient="row")])
    report = trained_on(log.events.head(EVENTS), items, folder, progress)
    return Trained(log=log, registry=Registry(folder), report=report, progress=progress)


def test_it_beats_popularity(trained: Trained) -> None:
    popularity = trained.report.baselines["popularity"]
    assert trained.report.mos_ndcg > popularity["ndcg_at_10"].high
    assert trained.report.mos_hit_rate > popularity["hit_rate_at_10"].high


def test_the_report_adds_up(trained: Trained) -> None:
    report = trained.report
    assert report.events == EVENTS
    assert report.router_events + report.examples + report.validation_examples == EVENTS
    assert 0 < report.validation_examples < report.examples
    assert report.items == trained.log.events.head(EVENTS)["item_id"].n_unique()
    assert 2 <= report.passes <= 2 * CONFIG.epochs
    assert set(report.baselines) == {"popularity", "item-knn", "vmis-knn"}
    assert report.mos_ndcg <= report.mos_hit_rate <= 1
    planted = set(trained.log.items["category"])
    assert len(report.theme_labels) == CONFIG.themes + 1
    assert all(any(label.startswith(name) for name in planted) for label in report.theme_labels[1:])


def test_progress_goes_forward_and_arrives(trained: Trained) -> None:
    stages = list(dict.fromkeys(stage for stage, _ in trained.progress))
    assert stages[0] == "sessions"
    fitted = [part for stage, part in trained.progress if stage == "fit"]
    assert fitted == sorted(fitted)
    assert fitted[-1] == 1.0
    assert all(0 <= part <= 1 for _, part in trained.progress)


def test_what_is_published_is_what_was_trained(trained: Trained, tmp_path: Path) -> None:
    folder = trained.registry.fetch("candidate")
    assert folder.name == trained.report.version
    assert trained.registry.versions() == [trained.report.version]
    loaded = ModelCheckpoint.from_pretrained(folder)
    assert loaded.version == trained.report.version  # a hash of weights, catalogue and router
    assert loaded.router.version == trained.report.router_version
    assert loaded.half_life_ms == pytest.approx(trained.report.half_life_hours * 3_600_000)
    loaded.save_pretrained(tmp_path, "# again")
    again = ModelCheckpoint.from_pretrained(tmp_path)
    assert again.version == loaded.version
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name


def test_the_card_says_what_it_is(trained: Trained) -> None:
    card = (trained.registry.fetch("candidate") / "card.md").read_text()
    report = trained.report
    for fact in (
        report.version,
        report.router_version,
        "planted",
        f"{report.mos_ndcg:.4f}",
        f"{report.alone_ndcg:.4f}",
        *report.baselines,
    ):
        assert fact in card


def test_spare_rows_change_no_score_and_files_of_two_models_are_told_apart(trained: Trained, tmp_path: Path) -> None:
    folder = trained.registry.fetch("candidate")
    tight, roomy = ModelCheckpoint.from_pretrained(folder), ModelCheckpoint.from_pretrained(folder, spare=50)
    rows = torch.arange(1, len(tight.items) + 1)
    assert len(roomy.model.item_theme) == len(tight.model.item_theme) + len(tight.catalogued.items) + 50
    with torch.inference_mode():
        assert torch.equal(tight.model.item_rows(rows), roomy.model.item_rows(rows))
    config = msgspec.json.decode((folder / "config.json").read_bytes())
    for name in ("model.safetensors", "router.safetensors", "router.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config | {"router_version": "r-00000000"}))
    with pytest.raises(ModelError, match=r"r-00000000.*mos train"):
        ModelCheckpoint.from_pretrained(tmp_path)
    sizes = {name: size for name, size in config["model"].items() if name != "theme_ring"}
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config | {"model": sizes}))
    with pytest.raises(ModelError, match="does not say theme_ring"):
        ModelCheckpoint.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config | {"items": config["items"][:-1]}))
    with pytest.raises(ModelError, match="do not fit"):
        ModelCheckpoint.from_pretrained(tmp_path)


RING_TIMES = [900_000, 950_000, 960_000]
PAST_TIMES = [1_000_000 + 10_000 * n for n in range(11)]


def test_the_service_ranks_as_the_model_scores(trained: Trained) -> None:
    folder = trained.registry.fetch("candidate")
    recommender, checkpoint = Recommender.load(folder), ModelCheckpoint.from_pretrained(folder)
    model, count = checkpoint.model, len(checkpoint.items)
    past, ring = checkpoint.items[:11], checkpoint.items[12:15]
    profile = UserProfile(
        user_id="u",
        router_epoch=recommender.router.epoch,
        item_ids=[*ring, *past],
        timestamps=[*RING_TIMES, *PAST_TIMES],
        categories=[None] * 14,
        session_lengths=[3, 11],
        session_themes=[2, 0],
        theme_sessions={2: 1, 0: 1},
        session_count=2,
        last_ended_at=PAST_TIMES[-1],
    )
    event = SessionEvent(event_id="e", item_id=past[0], timestamp=9_000_000)
    asked = Query(user_id="u", profile=profile, events=[event], timestamp=9_100_000, k=10 * count, exclude=[])
    (ranking,) = recommender.recommend([asked])
    assert ranking.fallback is None
    assert len(ranking.items) == count + len(checkpoint.catalogued.items)  # all there is

    rows = {item: row for row, item in enumerate(checkpoint.items, 1)}
    batch = collate(
        [
            History(
                items=torch.tensor([rows[item] for item in [*past[-9:], past[0]]]).numpy(),
                times=torch.tensor([*PAST_TIMES[-9:], 9_000_000]).numpy(),
                now=9_100_000,
                rings={
                    2: (
                        torch.tensor([rows[i] for i in ring]).numpy(),
                        torch.tensor(RING_TIMES).numpy(),
                    )
                },
                theme_sessions={2: 1, 0: 1},
            )
        ]
    )
    everything = torch.arange(1, count + 1)
    features = realtime_of(merge([], half_life_ms=1, top=1), rows).features(everything, model.item_known)
    with torch.inference_mode():
        scored = model.score(model.encode(batch), everything, features)
        scored = model.add_repeats(scored, batch, torch.arange(-1, count))[0]
        model.mixing.calibration.sharpen(scored)
    for item in (one for one in ranking.items if one.item_id in rows):
        assert item.score == pytest.approx(scored[rows[item.item_id] - 1].item(), abs=1e-4)
        assert item.theme == model.item_theme[rows[item.item_id]]


def test_items_that_nobody_has_clicked_are_recommended(trained: Trained) -> None:
    folder = trained.registry.fetch("candidate")
    recommender, checkpoint = Recommender.load(folder), ModelCheckpoint.from_pretrained(folder)
    listed = [item for item in checkpoint.catalogued.items if item.startswith("unheard")]
    assert len(listed) == 5
    assert not set(listed) & set(checkpoint.items)
    events = [SessionEvent(event_id="e", item_id=checkpoint.items[0], timestamp=9_000_000)]
    asked = Query(user_id="u", profile=None, events=events, timestamp=9_100_000, k=10_000, exclude=[])
    scores = {item.item_id: item.score for item in recommender.recommend([asked])[0].items}
    assert set(listed) <= scores.keys()
    assert len({scores[item] for item in listed}) == 5  # their words differ
    branch = recommender.branched(own_router=True)
    again = {item.item_id: item.score for item in branch.recommend([asked])[0].items}
    assert again == pytest.approx(scores, abs=1e-5)


def test_a_first_click_is_expected_as_often_as_it_was(trained: Trained) -> None:
    past, later = pl.Series(["a", "b"]), pl.Series(["a", "c", "c", "x", "d", "b", "a", "a"])
    assert unclicked_share(past, later, {"a", "c", "d", "e", "f"}) == pytest.approx(2.5 / 4 / 8)
    assert 0 < unclicked_share(past, later, {"a", "e"}) < 1 / 8
    assert ModelCheckpoint.from_pretrained(trained.registry.fetch("candidate")).catalogued.share > 0


def test_the_service_mixes_neighbours_as_training_does(trained: Trained) -> None:
    """The last position of the log: by the examples of training, and by the recommender from stored co-clicks."""
    folder = trained.registry.fetch("candidate")
    recommender, checkpoint = Recommender.load(folder), ModelCheckpoint.from_pretrained(folder)
    assert checkpoint.model.mixing.learned
    assert checkpoint.model.ahead.learned
    log = ClickLog.cut(trained.log.events.head(EVENTS), trained.log.items, SessionConfig())
    catalogue, half_life = Catalogue.of_log(log), checkpoint.co_click_half_life_ms
    assert list(catalogue.items) == checkpoint.items
    at = int(log.order[np.flatnonzero(log.history[log.order] > 2)[-1]])
    rules = CoClickRules(half_life_ms=half_life, window_ms=SessionConfig().gap)
    routing = route_log(checkpoint.router, catalogue, log)
    sequences = SequenceLog(log.events, catalogue, routing.event_theme, routing.themes)
    chosen = np.array([at])
    walk = moments(log, catalogue, chosen, size=1, half_life_ms=checkpoint.half_life_ms)
    made = list(with_neighbours(walk, log, catalogue, rules))
    data = ExampleLog(moments=made, log=sequences, config=checkpoint.model.config).of([0])
    with torch.inference_mode():
        ranking = CatalogueRanking(checkpoint.model)
        scores, unknown = ranking.scores(data)
        alone, _ = ranking.model_scores(data)
        checkpoint.model.mixing.calibration.sharpen(alone)

    counts = [CoClicks(half_life_ms=half_life, window_ms=rules.window_ms, partition=number) for number in range(3)]
    popularity = ItemPopularity(gap_ms=SessionConfig().gap, half_life_ms=checkpoint.half_life_ms, partition=0)
    for click in log.clicks[: made[0].clicks_before]:
        counts[len(click.user_id) % 3].add(click.user_id, click.item_id, click.timestamp)
        popularity.observe(click, log.types)
    recommender.observe_popularity([popularity.snapshot(top=LISTED_ITEMS)])
    recommender.observe_co_clicks([one.snapshot() for one in counts])
    past = log.events[at - int(log.history[at]) : at]
    events = [
        SessionEvent(event_id=str(n), item_id=item, timestamp=time)
        for n, (item, time) in enumerate(past.select("item_id", "timestamp").iter_rows())
    ]
    asked = Query(user_id="u", profile=None, events=events, timestamp=int(log.times[at]), k=10**6, exclude=[])
    mixed = {item.item_id: item.score for item in recommender.recommend([asked])[0].items}
    served = recommender._model.mixing
    served.set_weights(torch.full_like(served.weights, -1e4), calibration=served.calibration)
    plain = {item.item_id: item.score for item in recommender.recommend([asked])[0].items}

    assert not unknown.any()
    assert data.neighbours is not None
    mixing = checkpoint.model.mixing
    odds = mixing.log_odds(evidence_of(data.batch, mixing.places(data.batch), data.neighbours))
    model_share = 1 / (1 + odds.exp().sum()).item()
    assert model_share < 0.99
    assert odds[0, NEIGHBOURS].exp() * model_share > 0.01

    def of_service(scored: Mapping[str, float]) -> Tensor:
        return torch.tensor([scored[item] for item in checkpoint.items]).softmax(0)

    expected, without = (one[0].softmax(0)[ranking.slot[1:]] for one in (scores, alone))
    found = of_service(mixed) - model_share * of_service(plain)  # the model's part differs: this user has no themes
    torch.testing.assert_close(found, expected - model_share * without, atol=1e-5, rtol=1e-3)


def test_a_short_log_is_refused_and_nothing_is_published(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least 200"):
        trained_on(trained.log.events.head(150), trained.log.items, tmp_path, [])
    assert Registry(tmp_path).versions() == []


def test_a_log_of_few_sessions_of_several_items_is_trained_and_says_what_is_mixed_in(tmp_path: Path) -> None:
    """A new shop: hardly any item is in three sessions of several items, and validation has a handful of clicks."""
    random, rows = np.random.default_rng(0), []
    for user in range(80):
        pair = random.choice(60, 2, replace=False)
        begin = START + HOUR * int(random.integers(24 * 30))
        clicks = [(pair[0], begin), (pair[1], begin + 60_000), (random.integers(60), begin + 24 * HOUR)]
        rows += [(f"u{user}", f"i{item}", f"{user}-{n}", time, "click") for n, (item, time) in enumerate(clicks)]
    schema = ["user_id", "item_id", "event_id", "timestamp", "event_type"]
    events = pl.DataFrame(rows, orient="row", schema=schema).sort("timestamp")
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(60)]}).with_columns(
        title=pl.lit(None), category=pl.lit(None)
    )
    report = trained_on(events, items.cast(pl.String), tmp_path, [])
    assert report.validation_examples < 50
    folder = Registry(tmp_path).fetch("candidate")
    assert ModelCheckpoint.from_pretrained(folder).model.mixing.learned
    asked = Query(user_id="u", profile=None, events=[], timestamp=START + 1000 * HOUR, k=5, exclude=[])
    assert len(Recommender.load(folder).recommend([asked])[0].items) == 5


@pytest.mark.parametrize("better", [True, False])
def test_items_start_out_alike_only_where_validation_says_so(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, better: bool
) -> None:
    """Rows that start out alike come with a projection of zero, by which they are told here."""
    tried: list[bool] = []

    def starts_alike(model: MoS) -> bool:
        return not bool(model.get_parameter("table.weight").any())

    def judged(model: MoS, *_: object, begin: float, **__: object) -> Outcome:
        alike = starts_alike(model)
        tried.append(alike)
        reached = Reached(ndcg=0.2 if alike == better else 0.1, auc=0.5)
        return Outcome(reached=reached, passes=1 if begin else 10, share=None if begin else 0.25)

    def going_on(model: MoS, moments: int, *_: object, share: float, **__: object) -> int:
        went_on.append((starts_alike(model), moments, share))
        return 3

    went_on: list[tuple[bool, int, float]] = []
    monkeypatch.setattr(fitting, "fit", judged)
    monkeypatch.setattr(fitting, "go_on", going_on)
    report = trained_on(trained.log.events.head(EVENTS), trained.log.items, tmp_path, [])
    assert tried == [True, False, better], "both are tried, and the better one is fitted"
    assert report.alike == better
    assert report.passes == 14, "the trial of the one that was given up does not count"
    ((alike, moments, share),) = went_on
    assert (alike, share) == (better, 0.25), "the rest of the schedule was no better than the trial"
    assert moments >= (report.examples + report.validation_examples) // CONFIG.moment, "validation is learned, too"
