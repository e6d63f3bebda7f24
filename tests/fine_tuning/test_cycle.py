"""One fine-tuning: what it learns, what stays as it was, what is refused, and what a crash leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
import torch

from mos_online.contracts import RouterUpdate, Session
from mos_online.errors import DatasetError
from mos_online.fine_tuning import attempt as attempts
from mos_online.fine_tuning.attempt import Attempt
from mos_online.fine_tuning.cycle import fine_tune
from mos_online.fine_tuning.data import prepare_tuning
from mos_online.fine_tuning.gate import Verdict
from mos_online.fine_tuning.history import FineTuning, History
from mos_online.fine_tuning.judged import judge
from mos_online.fine_tuning.tune import tune
from mos_online.fine_tuning.warm_start import admit, grown
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.registry.routers import RouterHistory
from mos_online.themes.timeline import RouterTimeline
from tests.fine_tuning.tuning_world import (
    GAP,
    TUNING,
    TYPES,
    drifted,
    half,
    population,
    revised_once,
    sessions_of,
    train_champion,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fine_tuning_cycle")]


class World(msgspec.Struct):
    """A champion, and what has happened since."""

    registry: Registry
    champion: str
    before: pl.DataFrame
    after: list[Session]
    routers: RouterTimeline


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    registry, log = Registry(tmp_path_factory.mktemp("models")), population()
    before, after = half(log.clicks)
    champion = train_champion(registry, before, log.items)
    sessions = sessions_of(drifted(after, log.items))
    routers = revised_once(registry, champion, sessions)
    return World(registry, champion, before, sessions, routers)


@pytest.fixture(autouse=True)
def _no_stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a busy machine nor a few hundred clicks must decide; ``test_promotion_gate`` tests what they do."""
    monkeypatch.setattr("mos_online.fine_tuning.gate.MOST_MISCALIBRATED", 0.1)
    monkeypatch.setattr("mos_online.fine_tuning.gate.ALWAYS_FAST", 60.0)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def run(
    world: World,
    history: History,
    sessions: list[Session] | None = None,
    *,
    earlier: list[Session] | None = None,
    refit: bool = False,
    hold: bool = False,
) -> FineTuning:
    return fine_tune(
        world.registry,
        world.after if sessions is None else sessions,
        history,
        types=TYPES,
        gap_ms=GAP,
        config=TUNING,
        why="a test",
        earlier=earlier or [],
        refit=refit,
        hold=hold,
    )


def test_a_champion_that_knows_less_is_replaced_and_the_next_goes_on_from_there(world: World, history: History) -> None:
    try:
        first = run(world, history)
        assert (first.result, first.champion, first.reasons) == ("promoted", world.champion, [])
        assert world.registry.champion()[1] == first.candidate
        assert world.registry.aliases().previous == world.champion
        assert first.new_items == 10
        assert first.verdict is not None
        assert first.verdict.ndcg.low > 0
        again = ModelCheckpoint.from_pretrained(world.registry.fetch("champion"))
        assert again.training["learned_to"] == first.learned_to
        assert (first.revision, again.training["router_revision"]) == (1, 1)
        assert again.router.version == world.routers.base.version
        served = Recommender.load(world.registry.fetch("champion")).revised(world.routers.newest())
        assert all(served.router.has_row(item) for item in world.routers.newest().items), "no learned row is lost"
        with pytest.raises(DatasetError, match="too little has happened since the champion learned"):
            run(world, history)
        assert history.read() == [first]
    finally:
        world.registry.promote(world.champion, lambda _: None)


def _told(attempt: Attempt) -> FineTuning:
    """Instead of a candidate: where it would have been in."""
    epoch = attempt.own.router.epoch
    return FineTuning(at=1, why="w", champion="m", candidate="m-1", result="refused", reasons=[], epoch=epoch)


def test_what_users_did_before_is_history_and_is_not_new(
    world: World, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who comes back after the learner has begun is judged with a past, as in service."""
    seen = []

    def judged(self: Attempt, say: Callable[[str], None]) -> FineTuning:
        seen.append(self.data)
        return FineTuning(at=0, why=self.why, champion="", candidate=None, result="refused", reasons=[])

    monkeypatch.setattr(Attempt, "run", judged)
    begin = min(session.started_at for session in world.after)
    past = [session for session in sessions_of(world.before) if session.watermark < begin]
    run(world, history)
    run(world, history, earlier=past)
    alone, known = seen
    for data in seen:
        for part in (data.window.new, data.window.mixing, data.window.held_out):
            assert (data.log.times[part] >= begin).all()
    assert known.log.history[known.window.held_out].mean() > alone.log.history[alone.window.held_out].mean() + 5
    assert len(known.window.held_out) == len(alone.window.held_out)
    assert len(known.window.replayed) > len(alone.window.replayed) == 0


def test_a_new_epoch_comes_with_a_model_and_loses_no_row(world: World, history: History) -> None:
    try:
        found = run(world, history, refit=True)
        assert history.read() == [found], "no second candidate"
        assert (found.result, found.revision, found.reasons) == ("promoted", 0, [])
        began = ModelCheckpoint.from_pretrained(world.registry.fetch("champion"))
        assert found.epoch == began.router.version == began.router.epoch
        before = world.routers.newest()
        assert began.router.version not in {world.routers.epoch, before.version}
        assert set(before.items) <= set(began.router.items)
        rows = began.router.item_themes(began.items, [None] * len(began.items))
        known = [began.router.has_row(item) for item in began.items]
        assert began.model.item_theme[1:][known].tolist() == rows[known].tolist()
        assert world.registry.routers(began.router.epoch).newest() is None
    finally:
        world.registry.promote(world.champion, lambda _: None)


def test_where_no_new_epoch_may_begin_a_candidate_of_the_epoch_is_made(
    world: World, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(_: RouterHistory) -> RouterUpdate:
        return msgspec.structs.replace(newest, held=True)

    newest = world.registry.routers(world.routers.epoch).read(1)
    monkeypatch.setattr(RouterHistory, "newest", held)
    monkeypatch.setattr(Attempt, "run", lambda own, _: _told(own))
    none, plain = (run(world, history, refit=True), history.read())[1]
    assert (none.candidate, none.result) == (None, "refused")
    assert "mos routers resume" in none.reasons[0]
    assert (plain.candidate, plain.epoch) == ("m-1", world.routers.epoch)


def test_the_candidate_begins_as_the_champion_and_only_rows_that_were_clicked_move(world: World) -> None:
    champion = ModelCheckpoint.from_pretrained(world.registry.fetch(world.champion))
    few = world.after[: len(world.after) // 3]
    data = prepare_tuning(champion, few, types=TYPES, gap_ms=GAP, routers=world.routers, learned_to=None, config=TUNING)
    model = grown(champion, data.catalogue, data.routing, data.router, gap_ms=data.log.gap_ms)
    count = len(champion.items) + 1
    assert data.catalogue.items[: count - 1] == champion.items
    assert torch.equal(model.item.weight[:count], champion.model.item.weight)
    assert torch.equal(model.item_table[:count], champion.model.item_table)
    served = judge(model, data.held_out, data.log_share, known=count - 1)
    admit(model, data.catalogue, data.log, first=count, border=data.window.border)
    assert model.item_known[count:].sum() > 0
    assert judge(model, data.held_out, data.log_share, known=count - 1).auc.mean() != served.auc.mean()
    begun = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert tune(model, data, TUNING) == data.learned.count + data.mixing.count
    moved = (model.item.weight != begun["item.weight"]).any(1)
    clicked = torch.zeros(len(moved), dtype=torch.bool)
    learned = np.concatenate([data.window.learned, data.window.mixing])
    clicked[torch.from_numpy(data.learned.log.items[learned])] = True
    assert moved[1:].any()
    assert not (moved & ~clicked).any()
    for name in ("weights", "again"):
        by = getattr(model.mixing, name) - begun[f"mixing.{name}"]
        torch.testing.assert_close(getattr(model.ahead, name), begun[f"ahead.{name}"] + by)
    assert not torch.equal(model.mixing.weights, begun["mixing.weights"])
    assert int((~clicked[1:]).sum()) > 0


def test_nothing_later_than_the_border_is_learned(world: World) -> None:
    champion = ModelCheckpoint.from_pretrained(world.registry.fetch(world.champion))
    data = prepare_tuning(
        champion, world.after, types=TYPES, gap_ms=GAP, routers=world.routers, learned_to=None, config=TUNING
    )
    times = data.log.times
    assert times[data.window.learned].max() <= times[data.window.mixing].min()
    assert times[data.window.mixing].max() < data.window.border <= times[data.window.held_out].min()
    end = max(session.ended_at for session in world.after)
    begin = min(session.started_at for session in world.after)
    assert (end - data.window.border) / (end - begin) == pytest.approx(0.1, abs=0.001)


def test_what_is_older_is_replayed_by_theme(world: World) -> None:
    champion = ModelCheckpoint.from_pretrained(world.registry.fetch(world.champion))
    middle = sorted(session.ended_at for session in world.after)[len(world.after) * 2 // 3]
    data = prepare_tuning(
        champion, world.after, types=TYPES, gap_ms=GAP, routers=world.routers, learned_to=middle, config=TUNING
    )
    window, themes = data.window, data.routing.event_theme
    assert data.log.times[window.replayed].max() < middle <= data.log.times[window.new].min()
    assert len(window.replayed) / len(window.learned) == pytest.approx(0.3, abs=0.02)
    assert not set(window.replayed) & set(window.earlier)
    counts = [int((themes[window.replayed] == theme).sum()) for theme in range(1, 5)]
    assert min(counts) > 0.5 * max(counts)


def test_a_candidate_that_is_no_better_is_refused_and_leaves_no_trace_in_the_registry(
    world: World, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "tune", lambda *_: 0)
    monkeypatch.setattr(attempts, "admit", lambda *_, **__: None)
    versions = world.registry.versions()
    refused = run(world, history)
    assert refused.result == "refused"
    assert "it must be above 0" in refused.reasons[0]
    assert world.registry.champion()[1] == world.champion
    assert world.registry.versions() == versions
    again = run(world, history)
    assert again.reasons == ["it has been judged before, and a candidate has one look"]
    assert (again.result, again.verdict) == ("failed", None)


def test_a_candidate_that_diverged_is_refused_once(
    world: World, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(model: torch.nn.Module, *_: object) -> int:
        with torch.no_grad():
            next(model.parameters()).fill_(torch.nan)
        return 1

    monkeypatch.setattr(attempts, "tune", diverge)
    failed = run(world, history)
    assert failed.result == "failed"
    assert "no finite numbers" in failed.reasons[0]
    assert world.registry.champion()[1] == world.champion
    assert "judged before" in run(world, history).reasons[0]


def test_a_candidate_that_is_held_is_in_the_registry_and_a_model_that_was_promoted_meanwhile_stays(
    world: World, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def somebody_promotes(*arguments: object, **named: object) -> object:
        world.registry.promote(other, lambda _: None)
        return _decide(*arguments, **named)

    _decide: Callable[..., Verdict] = vars(attempts)["decide"]
    held = run(world, history, hold=True)
    other = str(held.candidate)
    assert (held.result, held.reasons) == ("held", [])
    assert (world.registry.champion()[1], world.registry.aliases().candidate) == (world.champion, other)
    monkeypatch.setattr(attempts, "decide", somebody_promotes)
    try:
        refused = fine_tune(
            world.registry, world.after, history, types=TYPES, gap_ms=GAP, config=replace(TUNING, seed=1), why="a test"
        )
        assert refused.result == "refused"
        assert f"but {other} is in service now: that stays" in refused.reasons[0]
        assert world.registry.champion()[1] == other
    finally:
        world.registry.promote(world.champion, lambda _: None)


def test_a_crash_in_mid_training_leaves_the_champion(
    world: World, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(attempts, "tune", killed)
    versions = world.registry.versions()
    with pytest.raises(KeyboardInterrupt):
        run(world, history)
    assert world.registry.champion()[1] == world.champion
    assert world.registry.versions() == versions
    assert history.read() == []


def test_a_line_that_a_crash_cut_off_costs_no_other(history: History, tmp_path: Path) -> None:
    one = FineTuning(at=1, why="w", champion="m-1", candidate="m-2", result="refused", reasons=["worse"])
    history.add(one)
    with (tmp_path / "fine-tunings.jsonl").open("ab") as file:
        file.write(b'{"at": 2, "wh')
    history.add(one)
    assert History(tmp_path).read() == [one, one]
