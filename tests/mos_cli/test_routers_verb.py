"""`mos routers`: what was revised, and going back."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from features.store import OnlineStore
from mos_online.experiments.reading import parse_plan
from mos_online.registry import open_registry
from mos_online.registry.routers import RouterHistory
from mos_online.settings import Settings
from mos_online.themes import Router
from mos_online.themes.updates import revision_of, update_of
from tests.experiments.plans import ROUTING
from tests.mos_cli.mos_runs import Mos
from tests.published_model import publish_model

NOON = 1_700_049_600_000  # 15 November 2023


@pytest.fixture
def base(mos_home: Settings, tmp_path: Path) -> Router:
    return publish_model(tmp_path / "model", mos_home)


@pytest.fixture
def history(base: Router, mos_home: Settings) -> RouterHistory:
    """Two revisions, in which the item a changes its theme back and forth, and each brings an item."""
    history = open_registry(mos_home).routers(base.epoch)
    for sequence, theme in ((1, 2), (2, 1)):
        revision = base.revised(
            ["a", f"new{sequence}"],
            base.prototypes[[theme - 1, 0]],
            prototypes=base.prototypes,
            tau=base.tau,
            sequence=sequence,
        )
        history.add(
            update_of(
                base,
                revision,
                arm="champion",
                effective_from=NOON + sequence * 60_000,
                through=(NOON, "s"),
                sessions=1000 * sequence,
            )
        )
    return history


def test_revisions_are_listed_and_shown(mos: Mos, history: RouterHistory, mos_home: Settings) -> None:
    listed = mos("routers", "list").out
    assert [line.split()[0] for line in listed.splitlines() if "r-" in line][1:] == ["2", "1"]
    assert "2023-11-15" in listed
    assert listed.count("in service") == 1
    shown = mos("routers", "show", "1").out
    for words in ("1,000 sessions", "2, 1 of items that the model's router does not know", history.read(1).version):
        assert words in shown
    (mos_home.home / "models" / history.place(1)).write_bytes(b"{}")
    assert "damaged" in mos("routers", "list").out


def test_a_rollback_is_kept_told_to_replicas_and_holds(
    mos: Mos, history: RouterHistory, base: Router, mos_home: Settings
) -> None:
    answer = mos("routers", "rollback")
    assert "in service: revision 3, with the content of 1" in answer.out
    assert "a running `mos learn` publishes it" in answer.out, "no Kafka runs"
    newest = history.newest()
    assert newest is not None
    assert (newest.sequence, newest.version, newest.held) == (3, history.read(1).version, True)
    assert revision_of(base, newest).item_theme("a") == 2
    store = OnlineStore.open(mos_home)
    assert store.routers.read("champion") == newest
    assert "content of 1, held" in mos("routers", "list").out.replace("\n", " ")

    assert "revision 4; further ones may follow" in mos("routers", "resume").out
    resumed = history.newest()
    assert resumed is not None
    assert (resumed.version, resumed.held) == (newest.version, False)
    assert resumed.effective_from > newest.effective_from
    store.close()


def test_the_router_of_the_model_can_be_gone_back_to(mos: Mos, history: RouterHistory, base: Router) -> None:
    assert "with the content of the router of the model" in mos("routers", "rollback", "--to", "0").out
    newest = history.newest()
    assert newest is not None
    assert (newest.version, newest.restores) == (base.version, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "7"], "has no revision 7"),
        (["rollback", "--to", "2"], "revision 2 is in service"),
        (["resume"], "holds nothing back"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_told(arguments: list[str], words: str, mos: Mos, history: RouterHistory) -> None:
    answer = mos("routers", *arguments)
    assert answer.status == 2
    assert words in answer.err


def test_without_revisions_there_is_nothing_to_go_back_to(mos: Mos, base: Router) -> None:
    answer = mos("routers", "rollback")
    assert answer.status == 2
    assert f"router {base.version} has no revisions yet" in answer.err


def test_an_arm_that_learns_has_revisions_of_its_own(mos: Mos, history: RouterHistory, mos_home: Settings) -> None:
    registry = open_registry(mos_home)
    registry.experiments().start(parse_plan(ROUTING), lambda _: None, now=1)
    own = registry.routers(history.epoch, "routing/1/online")
    own.add(replace(history.read(1), arm="routing/1/online"))
    assert "arms that learn, for --arm: routing/1/online" in mos("routers", "list").out
    listed = mos("routers", "list", "--arm", "routing/1/online").out
    assert [line.split()[0] for line in listed.splitlines() if "r-" in line][1:] == ["1"]
    assert "no arm other has revisions of its own; there are: champion, routing/1/online" in (
        mos("routers", "list", "--arm", "other").err
    )
    assert "in service: revision 2" in mos("routers", "rollback", "--to", "0", "--arm", "routing/1/online").out
    assert [one.sequence for one in own.revisions()] == [1, 2]
    assert [one.sequence for one in history.revisions()] == [1, 2]
    store = OnlineStore.open(mos_home)
    assert store.routers.stamps(["champion", "routing/1/online"]) == {"routing/1/online": (history.epoch, 2)}
    store.close()
