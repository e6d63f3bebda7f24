"""The learner is a function of the log: it can be stopped anywhere, and it learns only from what it may."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from mos_online.contracts import Fallback, Outcome
from mos_online.learning.calibration import Shown
from mos_online.learning.fast_weights import FastWeights
from mos_online.learning.learner import MODELS, FastLearner, LearnerState
from mos_online.learning.limits import FEWEST
from tests.learning.outcome_streams import THEMES, item, outcome, outcomes

SHOP = list(outcomes(1_200))


def new(state: LearnerState | None = None) -> FastLearner:
    learner = FastLearner(state)
    learner.begin_epoch("e1", THEMES)
    return learner


def learn(stream: list[Outcome], state: LearnerState | None = None) -> FastLearner:
    learner = new(state)
    for number, one in enumerate(stream):
        learner.session(number % 3, one.window_end)
        learner.outcome(one)
    return learner


@pytest.mark.parametrize("cut", [0, 150, 777])
def test_a_state_that_was_stored_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    whole = learn(SHOP)
    stored = learn(SHOP[:cut]).state.encoded()
    resumed = new(LearnerState.decode(stored))
    for number, one in enumerate(SHOP[cut:], cut):
        resumed.session(number % 3, one.window_end)
        resumed.outcome(one)

    assert resumed.state.encoded() == whole.state.encoded()
    assert resumed.weights() == whole.weights()


def test_the_same_log_gives_the_same_bytes_and_another_one_another_version() -> None:
    first, again, other = learn(SHOP), learn(SHOP), learn(list(outcomes(1_200, seed=9)))
    weights, others = first.weights(), other.weights()
    assert weights is not None
    assert others is not None

    assert weights.encoded() == again.weights().encoded()  # type: ignore[union-attr]
    assert FastWeights.decode(weights.encoded()) == weights
    assert weights.models["m1"].version != others.models["m1"].version
    with pytest.raises(msgspec.DecodeError):
        FastWeights.decode(b'{"arm": 1}')


def test_what_the_service_uses_is_what_the_learner_expects() -> None:
    learner = learn(SHOP)
    weights = learner.weights()
    assert weights is not None
    calibration = learner.state.arms["champion"].models["m1"].calibration()
    for one in outcomes(5, seed=7):
        assert one.score_level is not None
        for place, shown in enumerate(one.items):
            x = shown.score - one.score_level
            expected = calibration.p(Shown(x, place, shown.theme, clicked=False))
            assert weights.models["m1"].p_click(x, place, shown.theme) == pytest.approx(expected, abs=1e-4)
    assert 0 < weights.models["m1"].p_click(-2.0, 0, 99) < 1


@pytest.mark.parametrize(
    "change",
    [
        {"trigger": "test"},
        {"shown_by": "nothing"},
        {"score_level": None},
        {"fallback": Fallback(source="model", reason="store_unavailable")},
    ],
)
def test_answers_that_say_nothing_of_the_model_are_not_learned(change: dict[str, object]) -> None:
    learner = learn([replace(one, **change) for one in SHOP[:300]])

    assert learner.weights() is None


def test_impressions_are_believed_more_than_requests() -> None:
    learner = learn(SHOP[:400])
    by_request = learner.weights()
    for one in outcomes(300, seed=3, chance=lambda n, theme: 1.5, shown_by="impressions"):
        learner.outcome(one)
    both = learner.weights()
    assert by_request is not None
    assert both is not None

    assert both.models["m1"].p_click(-2.0, 0, 1) > 2 * by_request.models["m1"].p_click(-2.0, 0, 1)


def test_each_arm_and_each_model_learns_for_itself_and_old_models_are_forgotten() -> None:
    learner = learn(SHOP[:300])
    mine = learner.weights()
    for one in outcomes(300, seed=4, chance=lambda n, theme: 2.0, model="m2"):
        learner.outcome(one, "b")
    assert learner.weights() == mine
    assert set(learner.weights("b").models) == {"m2"}  # type: ignore[union-attr]
    for number in range(MODELS + 1):
        learner.outcome(list(outcomes(400, model=f"n{number}"))[-1], "b")

    assert set(learner.state.arms["b"].models) == {f"n{number}" for number in range(1, MODELS + 1)}


def test_more_clicks_alarm_and_the_cells_forget() -> None:
    stream = list(outcomes(3_000, chance=lambda n, theme: 0.9 if n > 15_000 else 0.0))
    learner = new()
    quiet = [alarm for one in stream[:1_500] for alarm in learner.outcome(one)]
    cells = learner.state.arms["champion"].models["m1"].by_request.cells
    found, fell = [], False
    for one in stream[1_500:]:
        before = cells[1].impressions
        found += learner.outcome(one)
        fell |= cells[1].impressions < before / 2

    assert quiet == []
    assert {(alarm.signal, alarm.action) for alarm in found} >= {("calibration", "fast-weights")}
    assert fell
    assert all(alarm.after > 0 for alarm in found if alarm.signal == "calibration")


def test_a_theme_that_more_sessions_have_alarms() -> None:
    learner = new()
    early = [alarm for n in range(6_000) for alarm in learner.session(n % 3, n)]
    late = [alarm for n in range(6_000, 9_000) for alarm in learner.session(n % 3 if n % 4 else 3, n)]

    assert early == []
    assert [(alarm.signal, alarm.action) for alarm in late] == [("theme_share", "router")]


def test_clicks_that_do_not_arrive_are_not_learned_and_learning_goes_on_when_they_do() -> None:
    learner = learn(SHOP[:600])
    before = learner.weights()
    silent = [replace(one, items=[replace(i, clicks=0) for i in one.items]) for one in outcomes(3_000, seed=5)]
    found = [alarm for one in silent for alarm in learner.outcome(one)]
    stopped = learner.state.encoded()

    assert [(alarm.action, alarm.detail) for alarm in found if alarm.signal == "limit"] == [("stop", "missing_clicks")]
    assert learner.broken() == {"champion": ["missing_clicks"]}
    quiet = learner.weights()
    for one in silent[:200]:
        learner.outcome(one)
    assert learner.weights().models == quiet.models  # type: ignore[union-attr]
    assert before is not None
    for one in outcomes(3_000, seed=6):
        learner.outcome(one)
    assert learner.broken() == {}
    assert LearnerState.decode(stopped).hold_off.raised["limit"] == 1


def test_a_store_that_is_away_is_a_fault_and_a_few_answers_without_it_are_none() -> None:
    away = Fallback(source="model", reason="store_unavailable")
    learner = new()
    few = [
        outcome(n, [item(0.0, 1, 0, clicked=False)], level=0.0, fallback=away if n % 9 == 0 else None)
        for n in range(2_000)
    ]
    assert [alarm for one in few for alarm in learner.outcome(one)] == []
    many = [replace(one, fallback=away) for one in few[: int(2 * FEWEST)]]

    assert [alarm.detail for one in many for alarm in learner.outcome(one)] == ["without_profiles"]


def test_detectors_that_were_made_anew_are_told_of_the_last_hour() -> None:
    """A drift that began before the stop is found as soon as without the stop, and not much later."""
    stream = list(outcomes(2_400, seed=2, chance=lambda n, theme: 0.6 if n > 16_000 else 0.0))
    learner = new()
    stop = next(n for n, one in enumerate(stream) if learner.outcome(one)) - 2
    state = learn(stream[:stop]).state.encoded()

    def delay(known: list[Outcome]) -> int:
        resumed = new(LearnerState.decode(state))
        for one in known:
            resumed.remember(one)
        assert resumed.state.encoded() == state
        return next(n for n, one in enumerate(stream[stop:]) if resumed.outcome(one))

    assert stop > 1_600
    assert delay(stream[stop - 600 : stop]) <= 20 < delay([])


def test_themes_of_another_epoch_are_watched_anew() -> None:
    learner = new()
    for n in range(4_000):
        learner.session(1, n)
    learner.begin_epoch("e2", 2)
    alarms = [alarm for n in range(4_000) for alarm in learner.session(2, n)]

    assert alarms == []
    assert learner.state.epoch == "e2"


def test_what_was_served_is_compared_with_the_clicks_where_it_was_displayed_as_ranked() -> None:
    learner, stream = new(), []
    for one in outcomes(300):
        items = [
            replace(shown, p_click=0.5, position=place if place < 5 else 9 - place)
            for place, shown in enumerate(one.items)
        ]
        stream.append(replace(one, items=items))
    for one in stream:
        learner.outcome(one)
    served = learner.state.served["champion"]

    assert served.expected == pytest.approx(0.5 * served.impressions)
    clicks = sum(shown.clicks for one in stream for shown in one.items[:5])
    assert served.clicks / served.impressions == pytest.approx(clicks / 1_500, abs=0.03)
    assert learner.state.served.keys() == {"champion"}
