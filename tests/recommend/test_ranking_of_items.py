"""Training end to end on a small log, and what the recommender makes of the model."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl
import pytest
import torch

from mos_online.contracts import SessionEvent
from mos_online.errors import DatasetError, ModelError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.co_clicks import CoClicks
from mos_online.items.places import Place
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.model.batch import collate
from mos_online.model.co_clicks import FACTS
from mos_online.model.mixing import BY_ALL, BY_PLACE, NEIGHBOURS, RECENT, SLOW, SOURCES, Calibration
from mos_online.recommend import live_mixing
from mos_online.recommend.history import history_of
from mos_online.recommend.live_mixing import Answered
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig, TrainReport, train
from mos_online.users.profile import UserProfile
from simulator.population import SyntheticConfig, synthesize
from tests.model_folder import put_into_service

CONFIG = TrainConfig(themes=6, width=16, recent=10, theme_ring=8, minutes=0.15, epochs=3, threads=1)
NOW = 1_700_000_000_000
HALF_LIFE = 3_600_000.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, TrainReport]:
    log = synthesize(SyntheticConfig(users=150, themes=6, items_per_theme=20))
    registry = Registry(tmp_path_factory.mktemp("models"))
    report = train(
        log.events.head(8000),
        log.items,
        registry,
        sessions=SessionConfig(),
        config=CONFIG,
        name="synthetic",
        on_progress=lambda stage, part, note: None,
    )
    return registry, report


@pytest.fixture
def recommender(trained: tuple[Registry, TrainReport]) -> Recommender:
    return Recommender.load(trained[0].fetch("candidate"))


def query(profile: UserProfile | None = None, events: list[str] | None = None, **changes: object) -> Query:
    made = [SessionEvent(event_id=f"e{n}", item_id=item, timestamp=NOW + n) for n, item in enumerate(events or [])]
    asked = Query(user_id="u", profile=profile, events=made, timestamp=NOW + 60_000, k=10, exclude=[])
    return msgspec.structs.replace(asked, **changes)


def popularity(**counts: float) -> PopularitySnapshot:
    return PopularitySnapshot(
        partition=0,
        as_of=NOW,
        total=sum(counts.values()),
        slow_total=sum(counts.values()),
        start_total=sum(counts.values()) / 2,
        slow_start_total=sum(counts.values()) / 2,
        item_ids=list(counts),
        counts=list(counts.values()),
        slow_counts=list(counts.values()),
        start_counts=[count / 2 for count in counts.values()],
        slow_start_counts=[count / 2 for count in counts.values()],
        first_seen=[NOW - 3_600_000] * len(counts),
        categories=["jazz"] * len(counts),
        users=[1] * len(counts),
    )


def test_the_service_states_the_published_version(
    trained: tuple[Registry, TrainReport], recommender: Recommender
) -> None:
    assert recommender.model_version == trained[1].version
    assert recommender.router_version == trained[1].router_version


def test_training_beats_popularity_and_says_what_it_did(trained: tuple[Registry, TrainReport]) -> None:
    registry, report = trained
    assert registry.versions() == [report.version]
    assert report.mos_ndcg > report.baselines["popularity"]["ndcg_at_10"].mean
    assert report.router_events + report.examples + report.validation_examples == report.events
    card = (registry.fetch("candidate") / "card.md").read_text()
    assert report.version in card
    assert all(label in card for label in report.theme_labels[1:])


def test_too_short_a_log_is_refused(tmp_path: Path) -> None:
    log = synthesize(SyntheticConfig(users=150, themes=6, items_per_theme=20))
    with pytest.raises(DatasetError, match="too few"):
        train(
            log.events.head(50),
            log.items,
            Registry(tmp_path),
            sessions=SessionConfig(),
            config=CONFIG,
            name="short",
            on_progress=lambda stage, part, note: None,
        )


def test_a_session_is_answered_in_its_theme(trained: tuple[Registry, TrainReport], recommender: Recommender) -> None:
    items = synthesize(SyntheticConfig(users=150, themes=6, items_per_theme=20)).items
    jazz = items.filter(pl.col("category") == items["category"][0])["item_id"].to_list()
    (ranking,) = recommender.recommend([query(events=jazz[:4])])
    assert ranking.fallback is None
    assert len({item.item_id for item in ranking.items}) == 10
    assert [item.score for item in ranking.items] == sorted((item.score for item in ranking.items), reverse=True)
    assert sum(item.item_id in jazz for item in ranking.items) >= 6


def test_unknown_users_and_items_get_what_is_popular(recommender: Recommender) -> None:
    (cold,) = recommender.recommend([query()])
    assert cold.fallback == "unknown_user"
    assert len(cold.items) == 10
    recommender.observe_popularity([popularity(hot=90.0, warm=10.0)])
    (live,) = recommender.recommend([query()])
    assert [item.item_id for item in live.items[:2]] == ["hot", "warm"]
    (odd,) = recommender.recommend([query(events=["nobody knows this"])])
    assert odd.fallback == "no_known_items"


def test_an_item_that_neighbours_bring_names_what_it_goes_with(recommender: Recommender) -> None:
    recommender._model.mixing.set_weights(mixture(NEIGHBOURS, -1e4))
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    last, other, far = names[0], names[1], names[-1]
    before = recommender.recommend([query(events=[other, last], k=300)])[0].items
    assert {item.together_with for item in before} == {None}
    recommender.observe_co_clicks([co_clicks(0, last, far), co_clicks(1, last, far), co_clicks(2, other, "unheard of")])
    recommender._model.mixing.set_weights(mixture(NEIGHBOURS, 2.0))
    first, *others = recommender.recommend([query(events=[other, last], k=300)])[0].items
    assert (first.item_id, first.together_with) == (far, last)
    assert {item.together_with for item in others} == {None}
    assert [item for item in before if item.item_id != far] == others, "no other score changes"
    assert chances(recommender.recommend([query(events=[other, last], k=300)])[0]) == pytest.approx(1)
    (alone, excluding) = recommender.recommend([query(events=["x"]), query(events=[last], exclude=[far])])
    assert all(item.together_with is None for ranking in (alone, excluding) for item in ranking.items)
    recommender.observe_co_clicks([])
    assert recommender.recommend([query(events=[other, last], k=300)])[0].items == before


def chances(ranking: Ranking) -> float:
    """What the chances of the items add up to."""
    assert ranking.score_level is not None
    return sum(math.exp(item.score - ranking.score_level) for item in ranking.items)


def test_scores_are_logarithms_of_chances_above_the_level_of_the_answer(recommender: Recommender) -> None:
    known = recommender.recommend([query()])[0].items[0].item_id
    (whole,) = recommender.recommend([query(events=[known], k=300)])
    first = whole.items[0].item_id
    (without,) = recommender.recommend([query(events=[known], k=300, exclude=[first])])
    assert len(whole.items) == whole.candidates
    assert chances(whole) == pytest.approx(1)
    assert without.score_level == pytest.approx(whole.score_level), "who excludes an item changes no chance"
    assert recommender.recommend([query()])[0].score_level is None, "popularity knows no chances"


def mixture(source: int, log_odds: float) -> torch.Tensor:
    """Weights by which one source has these odds against the model, and the others have none."""
    weights = torch.zeros(SOURCES, FACTS)
    weights[:, 0] = -1e4
    weights[source, 0] = log_odds
    return weights


def test_lists_for_the_start_of_a_session_have_what_sessions_begin_with(recommender: Recommender) -> None:
    """A cover is what most sessions begin with, and a story has more clicks in all."""
    items = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    known, cover, story = items[0], items[-1], items[-2]
    seen = popularity(**{story: 900.0, cover: 600.0})
    seen = msgspec.structs.replace(
        seen, start_total=600.0, slow_start_total=600.0, start_counts=[50.0, 550.0], slow_start_counts=[50.0, 550.0]
    )
    recommender.observe_popularity([seen])
    for one in (recommender._model.mixing, recommender._model.ahead):
        one.set_weights(mixture(RECENT, 30.0))
    gap = SessionConfig().gap
    inside = query(events=[known])
    later = msgspec.structs.replace(inside, timestamp=NOW + gap + 1)
    ahead = msgspec.structs.replace(inside, ahead=True)
    unknown = query()
    firsts = [one.items[0].item_id for one in recommender.recommend([inside, later, ahead, unknown])]
    assert firsts == [story, cover, story, cover], "covers change until the next session"
    (odd,) = recommender.recommend([query(events=["no such item"])])
    assert (odd.fallback, odd.items[0].item_id) == ("no_known_items", story)


def test_the_service_may_have_another_gap_than_the_training(trained: tuple[Registry, TrainReport]) -> None:
    """It places users as the counts have it, also under a revision of the router and after what it has learned."""
    folder, minute = trained[0].fetch("candidate"), 60_000
    later = query(events=["x"], timestamp=NOW + 10 * minute)
    for gap, place in ((30 * minute, Place.INSIDE), (5 * minute, Place.START)):
        recommender = Recommender.load(folder, gap_ms=gap)
        for one in (recommender, recommender.revised(recommender.router), recommender.branched(own_router=True)):
            history = history_of(later, router=one.router, sizes=one._sizes, rows={"x": 1}, own_router=False)
            assert one._live.mixing.places(collate([history])).tolist() == [place]
            assert one._live.mixing.gap_ms == one._live.ahead.gap_ms == gap


def test_what_the_model_expects_is_corrected_by_place_in_service(recommender: Recommender) -> None:
    """The model expects the same of all; sessions begin with one item, and go on with another."""
    items = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    known, cover, story = items[0], items[1], items[2]
    seen = popularity(**{story: 5000.0, cover: 5000.0})
    recommender.observe_popularity(
        [
            msgspec.structs.replace(
                seen,
                start_total=5000.0,
                slow_start_total=5000.0,
                start_counts=[0.0, 5000.0],
                slow_start_counts=[0, 5000],
            )
        ]
    )
    mixing = recommender._model.mixing
    mixing.set_weights(torch.full_like(mixing.weights, -1e4), calibration=Calibration(corrected=BY_PLACE))
    gap = SessionConfig().gap
    for number in range(400):
        at = NOW + (60_000 if number % 2 else gap + 60_000)
        recommender.recommend([query(events=[known], user_id=f"u{number}", timestamp=at, teaches=True)])
        recommender.learn()
    inside, start = recommender.recommend(
        [query(events=[known], user_id="v", timestamp=at, k=300) for at in (NOW + 60_000, NOW + gap + 60_000)]
    )
    ranks = [[item.item_id for item in one.items] for one in (inside, start)]
    assert [rank.index(story) < rank.index(cover) for rank in ranks] == [True, False]


def test_the_scores_of_the_model_are_made_less_sharp(recommender: Recommender) -> None:
    asked = query(events=[recommender.recommend([query(events=["x"], k=1)])[0].items[0].item_id], k=300)
    mixing, found = recommender._model.mixing, []
    for sharpness in (1.0, 0.5):
        mixing.set_weights(torch.full_like(mixing.weights, -1e4), calibration=Calibration(sharpness))
        found.append({item.item_id: item.score for item in recommender.recommend([asked])[0].items})
    plain, softer = found
    assert list(plain) == list(softer)
    assert list(softer.values()) == pytest.approx([score / 2 for score in plain.values()], abs=1e-4)


def test_who_comes_back_for_another_session_teaches_again(recommender: Recommender) -> None:
    mixing = recommender._model.mixing
    mixing.set_weights(mixing.weights.clone())
    known = recommender.recommend([query(events=["x"], k=1)])[0].items[0].item_id
    for at in (60_000, 90_000, SessionConfig().gap + 60_000):
        recommender.recommend([query(events=[known], timestamp=NOW + at, teaches=True)])
    heard = [one for one in recommender._live._heard if isinstance(one, Answered)]
    assert [one.evidence.places.tolist() for one in heard] == [[Place.INSIDE], [Place.START]]


@pytest.mark.parametrize(("source", "first"), [(RECENT, "now"), (SLOW, "long")])
def test_popularity_has_its_share_of_the_chances(recommender: Recommender, source: int, first: str) -> None:
    """A popular item that the model would never recommend, by the half-life at which it is popular."""
    asked = query(events=[recommender.recommend([query(events=["x"], k=1)])[0].items[0].item_id], k=300)
    recommender._model.mixing.learned.zero_()
    alone = recommender.recommend([asked])[0].items
    now, long = alone[-1].item_id, alone[-2].item_id
    seen = PopularitySnapshot(
        partition=0,
        as_of=NOW,
        total=100.0,
        slow_total=100.0,
        start_total=50.0,
        slow_start_total=50.0,
        item_ids=[now, long],
        counts=[60.0, 20.0],
        slow_counts=[20.0, 60.0],
        start_counts=[30.0, 10.0],
        slow_start_counts=[10.0, 30.0],
        first_seen=[0, 0],
        categories=["", ""],
        users=[0, 0],
    )
    recommender.observe_popularity([seen])
    before = {item.item_id: item.score for item in recommender.recommend([asked])[0].items}
    recommender._model.mixing.set_weights(mixture(source, 3.0))
    items = recommender.recommend([asked])[0].items
    after = {item.item_id: item.score for item in items}
    assert items[0].item_id == {"now": now, "long": long}[first]
    assert {item.together_with for item in items} == {None}
    shares = {now: 0.75, long: 0.25} if source == RECENT else {now: 0.25, long: 0.75}
    level = math.log(sum(math.exp(score) for score in before.values()))
    for item, score in before.items():
        chance = math.exp(score - level) + math.exp(3.0) * shares.get(item, 0.0)
        assert after[item] - level == pytest.approx(math.log(chance), abs=1e-4)
    recommender.observe_popularity([])
    assert recommender.recommend([asked])[0].items == alone, "nothing popular, nothing mixed in"


def co_clicks(partition: int, *items: str) -> CoClickSnapshot:
    counts = CoClicks(half_life_ms=HALF_LIFE, window_ms=1000, partition=partition)
    for user in range(30):
        for item in items:
            counts.add(f"u{user}", item, NOW)
    return counts.snapshot()


def test_a_new_item_can_be_recommended_at_once(recommender: Recommender) -> None:
    known = recommender.recommend([query(events=["x"], k=1)])[0].items[0].item_id
    recommender.observe_popularity([popularity(fresh=1000.0)])
    (ranking,) = recommender.recommend([query(events=[known], k=500)])
    (fresh,) = [item for item in ranking.items if item.item_id == "fresh"]
    assert fresh.theme == recommender.router.item_theme("fresh", "jazz")


def test_popularity_may_be_taken_in_while_it_ranks(recommender: Recommender) -> None:
    known = [item.item_id for item in recommender.recommend([query(events=["x"], k=5)])[0].items]
    done = threading.Event()

    def take_in() -> int:
        rounds = 0
        while not done.is_set() or rounds < 30:
            rounds += 1
            recommender.observe_popularity([popularity(**{f"new{n}": 1.0 + n for n in range(3 * rounds)})])
        return rounds

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take_in)
        try:
            for number in range(60):
                exclude = [*known, f"new{number}"]
                (ranking,) = recommender.recommend([query(events=[*known, f"new{number}"], exclude=exclude, k=10_000)])
                names = [item.item_id for item in ranking.items]
                assert len(names) == len(set(names)) > 100
                assert not set(names) & set(exclude)
                assert "" not in names
        finally:
            done.set()
        rounds = taking.result()
    (ranking,) = recommender.recommend([query(events=known, k=10_000)])
    assert {f"new{n}" for n in range(3 * rounds)} <= {item.item_id for item in ranking.items}


def test_exclusions_and_long_lists(recommender: Recommender) -> None:
    some = recommender.recommend([query(events=["x"], k=3)])[0].items
    names = [item.item_id for item in some]
    (ranking,) = recommender.recommend([query(events=names[:1], exclude=names, k=10_000)])
    assert ranking.fallback is None
    assert not {item.item_id for item in ranking.items} & set(names)
    assert len(ranking.items) == len({item.item_id for item in ranking.items}) > 100


def test_answers_do_not_depend_on_the_batch(recommender: Recommender) -> None:
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=12)])[0].items]
    profile = UserProfile(
        user_id="u",
        router_epoch=recommender.router.epoch,
        item_ids=names[:6],
        timestamps=[NOW - 10_000 + n for n in range(6)],
        categories=[None] * 6,
        session_lengths=[3, 3],
        session_themes=[1, 0],
        theme_sessions={1: 2, 0: 1},
        session_count=3,
        last_ended_at=NOW - 5000,
    )
    asked = [query(profile), query(profile, names[6:9], k=3), query(events=names[:1]), query()]
    together = recommender.recommend(asked)
    for one, ranking in zip(asked, together, strict=True):
        (alone,) = recommender.recommend([one])
        assert [item.item_id for item in alone.items] == [item.item_id for item in ranking.items]
        assert [i.score for i in alone.items] == pytest.approx([i.score for i in ranking.items], abs=1e-4)
    assert [share.theme for share in together[0].themes] == [1]
    assert together[0].themes[0].sessions == 2


def test_a_profile_of_another_router_is_routed_when_it_is_read(recommender: Recommender) -> None:
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=6)])[0].items]
    foreign = UserProfile(
        user_id="u",
        router_epoch="r-old",
        item_ids=names,
        timestamps=[NOW - 10_000 + n for n in range(6)],
        categories=[None] * 6,
        session_lengths=[6],
        session_themes=[77],
        theme_sessions={77: 30},
        session_count=30,
        last_ended_at=NOW - 5000,
    )
    (theme,) = recommender.router.session_themes(names, [None] * 6, [6])
    ours = msgspec.structs.replace(
        foreign, router_epoch=recommender.router.epoch, session_themes=[theme], theme_sessions={theme: 1}
    )
    routed, cached = recommender.recommend([query(foreign), query(ours)])
    assert theme > 0
    assert [(share.theme, share.sessions) for share in routed.themes] == [(theme, 1)]
    assert routed == cached


def test_events_that_the_profile_has_already_are_not_counted_twice(recommender: Recommender) -> None:
    name = recommender.recommend([query(events=["x"], k=1)])[0].items[0].item_id
    profile = UserProfile(
        user_id="u",
        item_ids=[name],
        timestamps=[NOW],
        categories=[None],
        session_lengths=[1],
        session_themes=[0],
        router_epoch=recommender.router.epoch,
        session_count=1,
        last_ended_at=NOW,
    )
    one, other = recommender.recommend([query(profile), query(profile, [name])])
    assert [item.score for item in one.items] == pytest.approx([item.score for item in other.items], abs=1e-5)


def test_damaged_and_missing_models_are_refused(trained: tuple[Registry, TrainReport], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mos train"):
        Registry(tmp_path / "none").champion()
    registry = Registry(tmp_path / "copy")
    put_into_service(registry, trained[0].fetch("candidate"))
    weights = registry.fetch("champion") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot read"):
        Recommender.load(weights.parent)
    with pytest.raises(ModelError, match=r"model\.safetensors is not what was added.*mos train"):
        registry.fetch("champion")


def test_another_budget_is_another_version(trained: tuple[Registry, TrainReport], tmp_path: Path) -> None:
    log = synthesize(SyntheticConfig(users=150, themes=6, items_per_theme=20))
    report = train(
        log.events.head(3000),
        log.items,
        Registry(tmp_path),
        sessions=SessionConfig(),
        config=replace(CONFIG, backbone="sasrec", epochs=1, minutes=0.05),
        name="synthetic",
        on_progress=lambda stage, part, note: None,
    )
    assert report.version != trained[1].version
    assert Recommender.load(Registry(tmp_path).fetch("candidate")).recommend([query(events=["x"])])[0].fallback


def test_an_item_of_no_catalogue_is_recommended_to_nobody_until_enough_users_have_clicked_it(
    trained: tuple[Registry, TrainReport],
) -> None:
    careful = Recommender.load(trained[0].fetch("candidate"), new_item_users=60)
    known = careful.recommend([query(k=3)])[0].items[0].item_id
    few, many = (popularity(garbage=1000.0, **{known: 5.0}) for _ in range(2))
    few = msgspec.structs.replace(few, users=[2**53 - 1, 1])
    many = msgspec.structs.replace(many, users=[2**54 - 1, 1])
    clicked = query(events=[known])
    for snapshot, listed in ((few, False), (many, True), (few, True)):  # what has a row keeps it
        careful.observe_popularity([snapshot])
        strangers, somebody = careful.recommend([query(), clicked])
        if not listed:
            assert "garbage" not in {item.item_id for item in (*strangers.items, *somebody.items)}
        assert (strangers.items[0].item_id == "garbage") == (snapshot is many)


def test_what_the_model_expects_is_corrected_by_what_is_clicked(recommender: Recommender) -> None:
    """All items are clicked alike: the more users have asked, the less it insists on what it expects of them all."""
    known = recommender.recommend([query()])[0].items[0].item_id
    asked = query(events=[known], k=300, teaches=True)
    recommender._model.mixing.set_weights(mixture(NEIGHBOURS, -1e4))
    plain = recommender.recommend([asked])[0]
    now = popularity(**{item.item_id: 100.0 for item in plain.items})
    recommender.observe_popularity([now])

    (before,) = recommender.recommend([asked])
    most, least = before.items[0].item_id, before.items[-1].item_id

    def odds(ranking: Ranking) -> float:
        scores = {item.item_id: item.score for item in ranking.items}
        return scores[most] - scores[least]

    recommender._model.mixing.set_weights(mixture(NEIGHBOURS, -1e4), calibration=Calibration(corrected=BY_ALL))
    (first,) = recommender.recommend([asked])
    assert odds(first) == pytest.approx(odds(before)), "nobody has asked yet"
    (second,) = recommender.recommend([asked])
    for _ in range(20):
        recommender.recommend([asked] * 20)
    (again,) = recommender.recommend([asked])
    assert odds(again) == odds(second), "who asks often teaches no more than who asks once"
    recommender.recommend([msgspec.structs.replace(asked, user_id=f"u{n}") for n in range(400)])
    (later,) = recommender.recommend([asked])
    assert odds(later) < odds(before) - 1
    assert chances(later) == pytest.approx(1)
    twin = recommender.branched(own_router=False)
    twin.observe_popularity([now])
    assert odds(twin.recommend([asked])[0]) == pytest.approx(odds(later), abs=0.1), "an arm begins with what is known"
    recommender.begin_anew()
    assert odds(recommender.recommend([asked])[0]) == pytest.approx(odds(before))


def test_what_users_click_after_they_asked_says_how_much_neighbours_count(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All click what goes with their last item, of which the model thinks little."""
    monkeypatch.setattr(live_mixing, "DUE", 40)
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    last, far = names[0], names[-1]
    recommender.observe_co_clicks([co_clicks(0, last, far), co_clicks(1, last, far)])
    recommender._model.mixing.set_weights(mixture(NEIGHBOURS, -6.0))
    twin = recommender.branched(own_router=False)
    twin.observe_co_clicks([co_clicks(0, last, far), co_clicks(1, last, far)])

    def first(asked: Recommender) -> str:
        return asked.recommend([query(events=[last], user_id="somebody")])[0].items[0].item_id

    assert first(recommender) != far
    for number in range(40):
        for events in ([last], [last, far]):
            asked = query(events=events, user_id=f"u{number}", teaches=True, timestamp=NOW + len(events) - 1)
            recommender.recommend([asked])
        recommender.learn()
    assert recommender.mixing_clicks == 40
    assert first(recommender) == far
    assert first(recommender.revised(recommender.router)) == far, "another revision of the router keeps it"
    assert (twin.mixing_clicks, first(twin)) == (40, far), "so does an arm: only the router is another one"
    recommender.begin_anew()
    assert (recommender.mixing_clicks, first(recommender) == far) == (0, False)


def test_a_list_for_the_next_session_has_its_own_mixture(recommender: Recommender) -> None:
    """Asked for in one batch with lists for now, which stay as they are."""
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    last, far = names[0], names[-1]
    recommender.observe_popularity([popularity(**{far: 100.0})])
    recommender._model.mixing.set_weights(mixture(RECENT, -20.0))
    now, later = query(events=[last], k=300), query(events=[last], k=300, ahead=True)
    recommender._model.ahead.follow(recommender._model.mixing)
    (alone,) = recommender.recommend([now])
    (same,) = recommender.recommend([later])
    assert [item.item_id for item in same.items] == [item.item_id for item in alone.items]
    recommender._model.ahead.set_weights(mixture(RECENT, 20.0))
    found = recommender.recommend([later, now, later, now])

    def chance(ranking: Ranking) -> float:
        (score,) = (item.score for item in ranking.items if item.item_id == far)
        assert ranking.score_level is not None
        return math.exp(score - ranking.score_level)

    assert [chance(ranking) > 0.99 for ranking in found] == [True, False, True, False]
    for ranking, asked in zip(found, (later, now) * 2, strict=True):
        (expected,) = recommender.recommend([asked])
        assert [item.item_id for item in ranking.items[:5]] == [item.item_id for item in expected.items[:5]]
        assert chances(ranking) == pytest.approx(1)


def test_a_list_for_the_next_session_is_for_a_user_who_comes_back_later(recommender: Recommender) -> None:
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    model, hour = recommender._model, 3_600_000
    model.ahead.follow(model.mixing)
    model.ahead.delay.fill_(hour)
    asked = query(events=names[:3], k=300)
    (then,) = recommender.recommend([msgspec.structs.replace(asked, timestamp=asked.timestamp + hour)])
    (ahead,) = recommender.recommend([msgspec.structs.replace(asked, ahead=True)])
    (now,) = recommender.recommend([asked])

    def scores(ranking: Ranking) -> dict[str, float]:
        return {item.item_id: item.score for item in ranking.items}

    assert scores(ahead) == pytest.approx(scores(then), abs=1e-4)
    assert scores(ahead) != pytest.approx(scores(now), abs=1e-4)


def test_lists_for_the_next_session_are_corrected_by_what_they_expect_themselves(recommender: Recommender) -> None:
    model = recommender._model
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    recommender.observe_popularity([popularity(**dict.fromkeys(names, 100.0))])
    for one in (model.mixing, model.ahead):
        one.set_weights(mixture(NEIGHBOURS, -1e4), calibration=Calibration(corrected=BY_ALL))
    asked = query(events=[names[0]], k=300)
    ahead = msgspec.structs.replace(asked, ahead=True)
    before = recommender.recommend([asked, ahead])
    recommender.recommend([msgspec.structs.replace(ahead, user_id=f"u{n}") for n in range(400)])
    after = recommender.recommend([asked, ahead])

    def spread(ranking: Ranking) -> float:
        return ranking.items[0].score - ranking.items[-1].score

    assert spread(after[0]) == pytest.approx(spread(before[0])), "lists for now expect what they did"
    assert spread(after[1]) < spread(before[1]) - 1
    recommender.begin_anew()
    assert spread(recommender.recommend([ahead])[0]) == pytest.approx(spread(before[1]))


def test_lists_for_the_next_session_teach_nothing_of_those_for_now(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_mixing, "DUE", 1)
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    for number in range(20):
        for events in (names[:1], names[:2]):
            timestamp = NOW + len(events) - 1
            asked = query(events=events, user_id=f"u{number}", teaches=True, ahead=True, timestamp=timestamp)
            recommender.recommend([asked])
        recommender.learn()
    assert recommender.mixing_clicks == 0


def test_what_a_user_had_comes_last_and_is_not_lost(recommender: Recommender) -> None:
    names = [item.item_id for item in recommender.recommend([query(events=["x"], k=300)])[0].items]
    model, had = recommender._model, set(names[:5])
    model.ahead.follow(model.mixing)
    asked = query(events=sorted(had), k=300, ahead=True)
    (plain,) = recommender.recommend([asked])
    model.ahead.leaves_out.fill_(1)
    (found,) = recommender.recommend([asked])
    (excluded,) = recommender.recommend([msgspec.structs.replace(asked, exclude=names[5:10])])
    assert {item.item_id for item in found.items[-5:]} == had
    scores = [item.score for item in found.items]
    assert scores == sorted(scores, reverse=True), "they are in the order of their scores"
    others = {item.item_id: item.score for item in plain.items if item.item_id not in had}
    assert {item.item_id: item.score for item in found.items[:-5]} == pytest.approx(others)
    assert len(found.items) == len(plain.items) == len(excluded.items) + 5
    assert {item.item_id for item in excluded.items[-5:]} == had
    assert not {item.item_id for item in excluded.items} & set(names[5:10])
    (now,) = recommender.recommend([msgspec.structs.replace(asked, ahead=False)])
    assert {item.item_id for item in now.items[-5:]} != had
