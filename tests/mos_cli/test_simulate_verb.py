"""``mos simulate``: what is planted is found, and what cannot be simulated is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mos_online.registry import open_registry
from mos_online.settings import Settings
from simulator.population import SyntheticConfig, populate
from tests.model_folder import put_into_service
from tests.mos_cli.mos_runs import Mos
from tests.simulator.loop.small_model import small_checkpoint

USERS = "users=120,themes=6,items_per_theme=20,seed=1"


@pytest.fixture
def model(mos_home: Settings, tmp_path: Path) -> str:
    """The version of a model of these users."""
    checkpoint = small_checkpoint(populate(SyntheticConfig.parse(USERS)), spare=0)
    checkpoint.save_pretrained(tmp_path / "model", "# a card")
    return put_into_service(open_registry(mos_home), tmp_path / "model")


def test_an_effect_and_lost_users_are_found(mos: Mos) -> None:
    arms = ("simulate", "arms", "--population", "users=8000,sessions_per_user=1", "--hours", "24", "--json")
    lifted = msgspec.json.decode(mos(*arms, "--effect", "0.3").out)
    assert lifted["low"] < 0.3 < lifted["high"]
    assert lifted["low"] > 0
    assert (lifted["sample_ratio_mismatch"], lifted["word"]) == (False, "ship")
    worse = msgspec.json.decode(mos(*arms, "--effect", "-0.3").out)
    assert worse["word"] == "harm"
    same = msgspec.json.decode(mos(*arms, "--effect", "0", "--lost", "0.2").out)
    assert same["low"] < 0 < same["high"]
    assert (same["sample_ratio_mismatch"], same["word"]) == (True, "sample ratio mismatch")
    assert same["arms"][1]["users"] < 0.9 * same["arms"][0]["users"]


def test_the_table_of_arms_shows_both(mos: Mos) -> None:
    answer = mos("simulate", "arms", "--population", USERS, "--hours", "10", "--drift-at", "5", "--clicks", "cascade")
    assert answer.status == 0
    assert "control" in answer.out
    assert "treated" in answer.out
    assert "true +10.0%" in answer.out
    assert "[?, ?]" in answer.out, "nothing is said of 120 users"


def test_a_model_is_asked_on_a_virtual_clock(mos: Mos, model: str) -> None:
    command = ("simulate", "model", "--population", USERS, "--hours", "4", "--windows", "2", "--drift-at", "2")
    answer = mos(*command, "--absence", "1", "--learn", "--json")
    assert answer.status == 0, answer
    result = msgspec.json.decode(answer.out)
    assert result["model_version"] == model
    assert result["drift_at"] == 2
    before, after = result["windows"]
    assert before["requests"] > 100
    assert before["ndcg"]["frozen"]["mean"] > after["ndcg"]["frozen"]["mean"]
    assert set(after["ndcg"]) == {"frozen", "online"}
    assert set(after["minus_frozen"]) == {"online"}
    (router,) = result["learned"]["online"]
    assert router["revision"] >= 0
    assert (result["experiment"], result["true_lift"]) == (None, None)
    told = mos(*command, "--absence", "1", "--experiment", "--json")
    found = msgspec.json.decode(told.out)["experiment"]
    assert abs(msgspec.json.decode(told.out)["true_lift"]) < 0.5
    users = [arm["finished"] for arm in found["users"].values()]
    assert min(users) > 20
    assert 60 < sum(users) <= 120
    assert found["arms"][0]["primary"]["users"] == sum(users)
    assert found["left_out"] == {}
    table = mos(*command, "--hours", "1", "--windows", "1", "--experiment").out
    assert "simulation/1" in table
    assert "true: on the same requests the lists of online are worth" in table
    assert "NDCG frozen" in table
    assert model in table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["arms", "--population", "cats=3"], "'cats=3' is no setting of the synthetic population"),
        (["arms", "--clicks", "random"], "--clicks random: there are position and cascade"),
        (["arms", "--population", USERS, "--effect", "3"], "is exact with these habits"),
        (["model", "--population", "users=50,themes=5"], "items of the model are not of these users"),
        (["model", "--version", "m-none"], "m-none"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("model")
def test_what_cannot_be_simulated_is_told(arguments: list[str], words: str, mos: Mos) -> None:
    answer = mos("simulate", *arguments)
    assert answer.status == 2
    assert words in answer.err
    assert answer.err.count("\n") == 1
