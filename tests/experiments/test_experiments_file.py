"""``experiments.yaml``: a good file, and every fault told with its place and its remedy."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mos_online.errors import SettingsError
from mos_online.experiments import BUCKETS, assigned
from mos_online.experiments.plan import ArmPlan
from mos_online.experiments.reading import parse_plan, shares, split_of
from mos_online.experiments.schema import schema

GOOD = """
holdout: 100
layers:
  - name: home
    experiments:
      - name: online-routing
        buckets: [[0, 2000], [4000, 5000]]
        control: frozen
        arms:
          - {name: frozen, router: frozen, fast_weights: false}
          - {name: online, weight: 2}
        primary: ctr
        secondary: [conversion]
        guardrails: [{metric: latency, margin: 0.2}]
        window: 7d
"""


def test_a_good_file_gives_the_splits() -> None:
    split = split_of(parse_plan(GOOD).layers[0].experiments[0])
    assert split.ranges == ((0, 2000), (4000, 5000))
    assert [tuple(arm) for arm in split.arms] == [("frozen", 3333), ("online", 6667)]
    found = {a.arm for n in range(200) if (a := assigned("home", [split], f"u{n}"))}
    assert found == {"frozen", "online"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("buckets:", "bukets:", "unknown field `bukets` - at `$.layers[0].experiments[0]`; allowed are name,"),
        ("weight: 2", "wait: 2", "allowed are name, weight, model, router"),
        ("holdout: 100", "holdout: 100\nholdout: 200", "'holdout' stands 2 times"),
        ("holdout: 100", "holdout: [", "no YAML"),
        ("holdout: 100", "holdout: 9000", "<= 5000"),
        ("weight: 2", "weight: 0", "> 0.0"),
        ("weight: 2", "weight: 1.0e-6", "less than one of 10,000 users"),
        ("weight: 2", "weight: .nan", "weight"),
        ("name: online,", "name: frozen,", "the arm of online-routing frozen stands 2 times"),
        ("control: frozen", "control: frozn", "choose one of frozen, online"),
        ("[4000, 5000]", "[1999, 5000]", "overlap [0, 2000]"),
        ("[4000, 5000]", "[5000, 5000]", "the end is excluded"),
        ("[4000, 5000]", "[4000, 50000]", "<= 10000"),
        ("primary: ctr", "primary: clicks", "'clicks'"),
        ("[conversion]", "[ctr]", "the metric of online-routing ctr stands 2 times"),
        ("window: 7d", "window: 7 days", "window"),
        ("window: 7d", 'window: "7d\\n"', "window"),
        ("window: 7d", "window: 2026-02-30", "'2026-02-30' is no timestamp; put a text in quotes"),
        ("window: 7d", "window: !!bool seven", "'seven' is no bool"),
        ("window: 7d", "window: 90d", "no user of online-routing is finished in time"),
        ("window: 7d", "smallest_effect: -1", "above 0"),
        ("window: 7d", "smallest_effect: .nan", "above 0"),
        ("window: 7d", "smallest_effect: .inf", "at most 10"),
        ("name: home", "name: Home page", "name"),
        ("name: home", 'name: "home\\n"', "name"),
        ("[conversion]", "[revenue]", "revenue of online-routing needs `value`"),
        ("latency, margin: 0.2", "coverage, margin: 1", "the margin 1 of coverage of online-routing allows everything"),
        ("latency, margin: 0.2", "theme-exposure, margin: 1.5", "allows everything"),
        ("latency, margin: 0.2", "ctr, margin: 0.2, slower_than: 50", "only the guardrail latency has it"),
        ("margin: 0.2", "margin: 0.2, slower_than: 60", "60"),
        (GOOD, "", "Expected `object`"),
        (GOOD, "a: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_fault_is_told(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError) as told:
        parse_plan(GOOD.replace(old, new, 1))
    assert words in str(told.value)


def test_the_return_within_a_day_needs_a_day() -> None:
    with pytest.raises(SettingsError, match="returned of online-routing looks at a day, and the window is 2h"):
        parse_plan(GOOD.replace("[conversion]", "[returned]").replace("window: 7d", "window: 2h"))


@pytest.mark.parametrize(("model", "words"), [("m-1", "two models do not share"), (None, None)])
def test_themes_of_two_models_are_not_compared(model: str | None, words: str | None) -> None:
    text = GOOD.replace("latency, margin: 0.2", "theme-exposure, margin: 0.5")
    if words is None:
        assert parse_plan(text)
        return
    with pytest.raises(SettingsError, match=words):
        parse_plan(text.replace("weight: 2", f"model: {model}"))


def test_two_experiments_on_the_same_users_of_a_layer_are_told() -> None:
    experiment = GOOD[GOOD.index("      - name: online-routing") :]
    with pytest.raises(SettingsError, match=r"overlap \[0, 2000\] of online-routing, in the layer home"):
        parse_plan(GOOD + experiment.replace("online-routing", "second"))


@given(st.lists(st.floats(0.001, 1e6), min_size=2, max_size=10))
def test_shares_are_those_of_the_weights(weights: list[float]) -> None:
    arms = [ArmPlan(name=f"a{number}", weight=weight) for number, weight in enumerate(weights)]
    found = shares(arms)
    assert sum(found) == BUCKETS
    for share, weight in zip(found, weights, strict=True):
        assert abs(share - BUCKETS * weight / sum(weights)) <= 1


SECOND = """
  - name: other
    experiments:
      - name: other-thing
        buckets: [[0, 10000]]
        control: a
        arms: [{name: a}, {name: b, VALUE}]
        primary: ctr
"""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("router: online", "router is set in the layers home and other"),
        ("fast_weights: true", "fast_weights is set in the layers home and other"),
        ("model: m-1", None),
        ("exploration: 0.1", None),
    ],
)
def test_a_parameter_has_one_layer(value: str, words: str | None) -> None:
    text = GOOD + SECOND.replace("VALUE", value)
    if words is None:
        assert len(parse_plan(text).layers) == 2
        return
    with pytest.raises(SettingsError, match=words):
        parse_plan(text)


def test_what_learns_has_one_layer_together() -> None:
    text = GOOD.replace(", fast_weights: false", "") + SECOND.replace("VALUE", "fast_weights: false")
    with pytest.raises(SettingsError, match="router and fast_weights are set in the layers home and other"):
        parse_plan(text)


def test_the_schema_is_up_to_date_and_agrees_with_the_reader() -> None:
    written = Path(__file__).parents[2] / "docs/schemas/experiments.json"
    assert written.read_text(encoding="utf-8") == schema(), "run `make schemas`"
    rules = json.loads(schema())
    jsonschema.validate(yaml.safe_load(GOOD), rules)
    for bad in (GOOD.replace("buckets:", "bukets:"), GOOD.replace("weight: 2", "wait: 2")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(bad), rules)
