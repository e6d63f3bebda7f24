"""Revisions are made where they are due, from the sessions alone, also by a learner that was killed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mos_online.contracts import LearningEvent, RouterUpdate, Session, SessionEvent
from mos_online.errors import StoreError
from mos_online.experiments.in_force import InForce
from mos_online.experiments.treatment import CHAMPION, Treatments
from mos_online.learning.arm_router import RouterRules, RouterSchedule
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.learning.router_part import RouterPart
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.router import Router
from mos_online.themes.updates import restored, revision_of
from mos_online.themes.visits import visit_of
from tests.experiments.plans import ROUTING, in_force
from tests.themes.test_gate import BASE, EACH, THEMES
from tests.themes.test_refit import disguised

CONFIG = RevisionConfig(window=60)
SCHEDULE = RouterSchedule(every=40, soon=10, new_items_every=50, span=10_000, ahead=7)


class Shelf:
    """A shelf in memory."""

    def __init__(self, base: Router | None = BASE) -> None:
        self.router = base
        self.kept: list[RouterUpdate] = []
        self.announced: list[RouterUpdate] = []
        self.told: list[LearningEvent] = []
        self.tended = 0
        self.down = False

    def base(self, model: str | None) -> Router | None:
        return self.router

    def newest(self, epoch: str, arm: str) -> RouterUpdate | None:
        found = (update for update in reversed(self.kept) if (update.epoch, update.arm) == (epoch, arm))
        return next(found, None)

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        newest = self.newest(update.epoch, update.arm)
        if newest is not None and newest.sequence >= update.sequence:
            return newest
        self.kept.append(update)
        return update

    def announce(self, update: RouterUpdate) -> None:
        if self.down:
            raise StoreError("the store is away")
        self.announced.append(update)

    def tend(self) -> None:
        self.tended += 1

    def tell(self, event: LearningEvent) -> None:
        self.told.append(event)


def session(number: int, *items: str) -> Session:
    events = [SessionEvent(event_id=f"e{n}", item_id=item, timestamp=number) for n, item in enumerate(items)]
    return Session(
        session_id=f"s{number:06}",
        user_id=f"u{number % 9}",
        started_at=number,
        ended_at=number,
        events=events,
        close_reason="gap",
        watermark=number + 1,
    )


def log(count: int, seed: int = 0) -> list[Session]:
    rng = Random(seed)
    return [session(n, *(f"{n % THEMES}-{rng.randrange(EACH)}" for _ in range(3))) for n in range(count)]


def part(shelf: Shelf, limits: GateConfig | None = None) -> RouterPart:
    rules = RouterRules(config=CONFIG, limits=limits or GateConfig(), schedule=SCHEDULE)
    return RouterPart(shelf, rules=rules)


def give(learner: RouterPart, sessions: Sequence[Session], *, again: bool = False) -> None:
    if sessions:
        time = sessions[-1].watermark
        learner.take(LearningBatch(sessions=sessions, event_time=time, again=again))
        if not again:
            learner.step(time)


def content(updates: Sequence[RouterUpdate]) -> list[tuple[int, str, tuple[int, str]]]:
    return [(one.sequence, one.version, (one.through_watermark, one.through_session)) for one in updates]


def test_a_revision_is_made_every_so_many_sessions_from_the_window_up_to_there() -> None:
    shelf, sessions = Shelf(), log(170)
    learner = part(shelf)
    for one in sessions:
        give(learner, [one])
    assert [one.through_watermark for one in shelf.kept] == [40, 80, 120, 160]
    for number, update in enumerate(shelf.kept, 1):
        window = [visit_of(one) for one in sessions if one.watermark <= update.through_watermark][-CONFIG.window :]
        assert revision_of(BASE, update).version == revise(BASE, window, CONFIG, sequence=number).version
        assert update.sessions == len(window)
        assert update.effective_from == update.through_watermark + SCHEDULE.ahead
    assert shelf.announced == shelf.kept
    assert [(one.kind, one.part, one.version) for one in shelf.told] == [
        ("promoted", "router", update.version) for update in shelf.kept
    ]
    assert shelf.tended > 100
    status = learner.status()
    assert (status["revision"], status["new_sessions"], status["refused"]) == (4, 10, [])


@settings(max_examples=10)
@given(st.lists(st.integers(1, 39), min_size=1, max_size=8), st.integers(0, 3))
def test_a_learner_that_is_killed_makes_the_same_revisions(kills: list[int], seed: int) -> None:
    """It is given again what it was given, and goes on."""
    sessions = log(200, seed)
    whole, killed = Shelf(), Shelf()
    learner = part(whole)
    for one in sessions:
        give(learner, [one])
    learner, at = part(killed), 0
    for step in [*kills, 200]:
        for one in sessions[at : at + step]:
            give(learner, [one])
        at = min(at + step, 200)
        learner = part(killed)
        give(learner, sessions[:at], again=True)
    assert content(killed.kept) == content(whole.kept)


def test_a_learner_that_has_fallen_behind_makes_the_last_revision_that_is_due() -> None:
    shelf, sessions = Shelf(), log(170)
    learner = part(shelf)
    give(learner, sessions)
    assert content(shelf.kept) == [(1, shelf.kept[0].version, (160, "s000159"))]
    assert shelf.kept[0].effective_from == 170 + SCHEDULE.ahead, "nothing that has been routed is routed otherwise"
    learner.step(170)
    assert len(shelf.kept) == 1


def test_what_was_kept_and_not_announced_is_announced_later_and_by_the_next_learner() -> None:
    shelf, sessions = Shelf(), log(90)
    shelf.down = True
    learner = part(shelf)
    with pytest.raises(StoreError):
        give(learner, sessions[:40])
    assert (len(shelf.kept), shelf.announced) == (1, [])
    with pytest.raises(StoreError):
        learner.step(40)
    other = part(shelf)
    give(other, sessions[:40], again=True)
    shelf.down = False
    other.step(41)
    learner.step(41)
    assert shelf.announced == [shelf.kept[0]] * 2
    learner.step(42)
    assert len(shelf.announced) == 2


def test_a_refusal_is_told_and_the_next_revision_is_tried_as_usual() -> None:
    shelf, sessions = Shelf(), log(120)
    impossible = GateConfig(most_unrouted=-1.0)
    for learner in (part(shelf, impossible), part(shelf, impossible)):
        for one in sessions[:90]:
            give(learner, [one])
    assert shelf.kept == shelf.announced == []
    assert [one.kind for one in shelf.told] == ["refused"] * 4
    assert [one.event_id for one in shelf.told[:2]] == [one.event_id for one in shelf.told[2:]]
    assert [one.timestamp for one in shelf.told[:2]] == [40, 80]
    assert "would have no theme" in shelf.told[0].reason
    assert shelf.told[0].numbers["sessions"] == 40


def test_a_rollback_holds_until_it_is_released() -> None:
    shelf, sessions = Shelf(), log(200)
    learner = part(shelf)
    give(learner, sessions[:40])
    give(learner, sessions[40:80])
    back = restored(BASE, shelf.kept[1], shelf.kept[0], effective_from=500, held=True)
    shelf.kept.append(back)
    for one in sessions[80:130]:
        give(learner, [one])
    assert shelf.kept[-1] == shelf.announced[-1] == back
    assert (back.sequence, back.version, back.restores) == (3, shelf.kept[0].version, 1)
    assert learner.status()["held"]
    shelf.kept.append(restored(BASE, back, back, effective_from=600, held=False))
    for one in sessions[130:140]:
        give(learner, [one])
    assert [one.sequence for one in shelf.kept] == [1, 2, 3, 4, 5]
    assert shelf.kept[4].through_watermark == 120, "the 40 sessions after the last decision"


def test_the_base_can_be_restored() -> None:
    shelf = Shelf()
    give(part(shelf), log(40))
    back = restored(BASE, shelf.kept[0], None, effective_from=5, held=True)
    assert revision_of(BASE, back).version == back.version == BASE.version
    assert (back.sequence, back.restores, back.item_ids) == (2, 0, [])
    assert back.effective_from == shelf.kept[0].effective_from + 1


def test_a_drift_asks_for_a_revision_now() -> None:
    shelf, sessions = Shelf(), log(60)
    learner = part(shelf)
    for one in sessions[:15]:
        give(learner, [one])
    learner.hear(Alarm(trigger="fast-weights", event_time=15, why="other"))
    learner.step(15)
    assert shelf.kept == []
    learner.hear(Alarm(trigger="router", event_time=15, why="shares moved"))
    assert learner.status()["asked_for"] == "shares moved"
    learner.step(15)
    assert [one.through_watermark for one in shelf.kept] == [15]
    learner.hear(Alarm(trigger="router-fit", event_time=16, why="again"))
    give(learner, sessions[15:20])
    assert len(shelf.kept) == 1, "too few sessions are new"
    give(learner, sessions[20:25])
    assert [one.through_watermark for one in shelf.kept] == [15, 25]


def test_new_items_get_rows_before_many_sessions_have_closed() -> None:
    shelf = Shelf()
    learner = part(shelf)
    sessions = log(100)
    for one in sessions[:50]:
        give(learner, [one])
    assert len(shelf.kept) == 1
    fresh = [session(50 + n, "fresh", f"1-{n % EACH}", f"1-{(n + 1) % EACH}") for n in range(12)]
    for one in fresh:
        give(learner, [one])
    assert len(shelf.kept) == 1, "not more often than every 50 ms"
    give(learner, [session(95, "0-0", "0-1")])
    assert len(shelf.kept) == 2
    router = revision_of(BASE, shelf.kept[1])
    assert router.has_row("fresh")
    assert router.item_theme("fresh") == router.item_theme("1-0") == 2
    learned = len(shelf.kept)
    for one in [session(200 + n, "fresh", "1-0") for n in range(12)]:
        give(learner, [one])
    assert len(shelf.kept) == learned, "it is not new any more"


def test_sessions_of_long_ago_are_not_in_the_window() -> None:
    shelf, old = Shelf(), log(30)
    learner = part(shelf)
    for one in [*old, *(session(SCHEDULE.span + 1000 + n, "0-0", "0-1", "0-2") for n in range(20))]:
        give(learner, [one])
    assert shelf.kept[0].sessions == 10


def test_another_epoch_begins_with_its_base() -> None:
    shelf, sessions = Shelf(None), log(120)
    learner = part(shelf)
    give(learner, sessions[:20])
    assert learner.status() == {"state": "waits for a model"}
    shelf.router = BASE
    give(learner, sessions[20:45])
    assert content(shelf.kept)[0][2] == (40, "s000039")
    shelf.router = disguised(BASE, 5)
    give(learner, sessions[45:90])
    assert [(one.epoch, one.sequence) for one in shelf.kept] == [(BASE.version, 1), (shelf.router.version, 1)]


def test_of_two_learners_the_slower_one_takes_what_the_other_has_kept() -> None:
    shelf, sessions = Shelf(), log(40)
    fast, slow = part(shelf), part(shelf)
    give(fast, sessions)
    shelf.newest = lambda epoch, arm: None  # type: ignore[method-assign]  # it has not looked yet
    shelf.keep = lambda update: shelf.kept[0]  # type: ignore[method-assign]
    give(slow, sessions)
    assert slow.status()["version"] == shelf.kept[0].version
    assert len(shelf.kept) == 1


def test_each_learning_arm_has_revisions_of_the_sessions_of_its_own_users_and_the_others_teach_the_champion() -> None:
    treatments = Treatments(in_force(ROUTING))
    shelf, sessions = Shelf(), [replace(one, user_id=f"u{n}") for n, one in enumerate(log(400))]
    learner = RouterPart(shelf, rules=RouterRules(config=CONFIG, schedule=SCHEDULE), treatments=lambda: treatments)
    for one in sessions:
        give(learner, [one])
    arms = {"champion": CHAMPION, "routing/1/online": "routing/1/online"}
    assert {one.arm for one in shelf.kept} == arms.keys()
    for arm in arms:
        own = [visit_of(one) for one in sessions if treatments.of(one.user_id).teaches == arm]
        made = [one for one in shelf.kept if one.arm == arm]
        assert [one.sequence for one in made] == list(range(1, len(own) // SCHEDULE.every + 1))
        for update in made:
            window = [one for one in own if one.watermark <= update.through_watermark][-CONFIG.window :]
            assert revision_of(BASE, update).version == revise(BASE, window, CONFIG, sequence=update.sequence).version
    assert {one.arm for one in shelf.told} == arms.keys()
    assert learner.status()["arm routing/1/online"]["revision"] >= 1  # type: ignore[index]
    frozen = [one for one in sessions if treatments.of(one.user_id).teaches == "routing/1/frozen"]
    assert len(frozen) > SCHEDULE.every


def test_arms_come_and_go_while_the_learner_runs_and_one_that_fails_holds_up_no_other() -> None:
    before, now = Treatments(InForce()), [Treatments(InForce())]
    treatments = Treatments(in_force(ROUTING.replace("[[0, 5000]]", "[[0, 10000]]")))
    shelf, sessions = Shelf(), [replace(one, user_id=f"u{n}") for n, one in enumerate(log(300))]
    learner = RouterPart(shelf, rules=RouterRules(config=CONFIG, schedule=SCHEDULE), treatments=lambda: now[0])
    give(learner, sessions[:100])
    assert {one.arm for one in shelf.kept} == {CHAMPION}
    now[0] = treatments
    learner.step(200)
    assert {one.arm for one in shelf.kept} == {CHAMPION, "routing/1/online"}, "what is in the window counts"
    champion = len([one for one in shelf.kept if one.arm == CHAMPION])
    give(learner, sessions[100:200])
    assert len([one for one in shelf.kept if one.arm == CHAMPION]) == champion, "all users are in the experiment"
    now[0] = before
    give(learner, sessions[200:])
    assert "arm routing/1/online" not in learner.status()
    assert len([one for one in shelf.kept if one.arm == CHAMPION]) > champion
