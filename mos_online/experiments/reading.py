"""Reading ``experiments.yaml``, and what a well-formed file may still say wrongly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mos_online.errors import SettingsError
from mos_online.experiments.assignment import BUCKETS, Arm, Split
from mos_online.experiments.plan import (
    LEARNED,
    PARAMETERS,
    ArmPlan,
    ExperimentPlan,
    Guardrail,
    Layer,
    Plan,
    milliseconds,
)

MOST_EFFECT = 10
"""The largest smallest effect, as a share of the control's value."""

_PARTS: dict[str, type[msgspec.Struct]] = {
    "$": Plan,
    "$.layers[...]": Layer,
    "$.layers[...].experiments[...]": ExperimentPlan,
    "$.layers[...].experiments[...].arms[...]": ArmPlan,
    "$.layers[...].experiments[...].guardrails[...]": Guardrail,
}
"""Which keys are allowed where, by the path that msgspec names."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, times in keys.items():
            if times > 1:
                raise yaml.MarkedYAMLError(None, None, f"the key {key!r} stands {times} times", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:  # what PyYAML raises for the date 2026-02-30, say
            raise yaml.MarkedYAMLError(
                None, None, f"{node.value!r} is no {node.tag.rpartition(':')[2]}; put a text in quotes", node.start_mark
            ) from error


def read_plan(path: Path) -> Plan:
    """The experiments of a file.

    Raises:
        SettingsError: no such file, it is no YAML, or what it says cannot be; the message says where and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Give a file of experiments in UTF-8.") from error
    try:
        return parse_plan(text)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_plan(text: str) -> Plan:
    """The experiments of a YAML text.

    Raises:
        SettingsError: as ``read_plan``.
    """
    try:
        plan = msgspec.convert(yaml.load(text, _Loader), Plan)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise SettingsError(f"this is no YAML: {error}") from error
    except RecursionError as error:
        raise SettingsError("this is nested too deeply: give layers, their experiments and their arms") from error
    except msgspec.ValidationError as error:
        raise SettingsError(_explained(str(error))) from error
    faults = list(_faults(plan))
    if faults:
        raise SettingsError("; ".join(faults))
    return plan


def split_of(experiment: ExperimentPlan) -> Split:
    """An experiment, as far as assignment goes."""
    return Split(
        experiment.name,
        experiment.version,
        tuple((low, high) for low, high in experiment.buckets),
        [Arm(arm.name, size) for arm, size in zip(experiment.arms, shares(experiment.arms), strict=True)],
    )


def shares(arms: Sequence[ArmPlan]) -> list[int]:
    """The buckets of the arms: in proportion to their weights, and rounded so that the sum is ``BUCKETS``."""
    ends, total, sum_so_far = [0], sum(arm.weight for arm in arms), 0.0
    for arm in arms:
        sum_so_far += arm.weight
        ends.append(round(BUCKETS * sum_so_far / total))
    return [end - start for start, end in pairwise(ends)]


def _explained(message: str) -> str:
    """What msgspec found, with the keys that are allowed there."""
    where = re.search(r" - at `([^`]*)`$", message)
    part = _PARTS.get(re.sub(r"\[\d+\]", "[...]", where[1]) if where else "$")
    if "unknown field" in message and part is not None:
        return f"{message}; allowed are {', '.join(part.__struct_fields__)}"
    return message


def _faults(plan: Plan) -> Iterator[str]:
    yield from _twice("layer", [layer.name for layer in plan.layers])
    yield from _twice("experiment", [experiment.name for layer in plan.layers for experiment in layer.experiments])
    yield from _owner_faults(plan)
    for layer in plan.layers:
        taken: list[tuple[int, int, str]] = []
        for experiment in layer.experiments:
            yield from _experiment_faults(experiment)
            yield from _metric_faults(experiment, plan.value)
            for low, high in experiment.buckets:
                if low >= high:
                    yield f"the buckets [{low}, {high}] of {experiment.name} are none: the end is excluded"
                for other_low, other_high, other in taken:
                    if low < other_high and other_low < high:
                        yield (
                            f"the buckets [{low}, {high}] of {experiment.name} overlap [{other_low}, {other_high}] of "
                            f"{other}, in the layer {layer.name}: give ranges that do not, or another layer"
                        )
                taken.append((low, high, experiment.name))


def _owner_faults(plan: Plan) -> Iterator[str]:
    """Each parameter has one layer, and what learns has one together."""
    owners = {parameter: [layer.name for layer in plan.layers if _sets(layer, parameter)] for parameter in PARAMETERS}
    for parameter, layers in owners.items():
        if len(layers) > 1:
            yield (
                f"{parameter} is set in the layers {' and '.join(layers)}, and users of both would get two values: "
                "set it in one layer only"
            )
    learned = [layers[0] for parameter, layers in owners.items() if parameter in LEARNED and len(layers) == 1]
    if len(set(learned)) > 1:
        yield (
            f"{' and '.join(LEARNED)} are set in the layers {' and '.join(learned)}, and both learn from the users of "
            "their arm: set them in one layer"
        )


def _sets(layer: Layer, parameter: str) -> bool:
    return any(getattr(arm, parameter) is not None for experiment in layer.experiments for arm in experiment.arms)


def _experiment_faults(experiment: ExperimentPlan) -> Iterator[str]:
    name, arms = experiment.name, [arm.name for arm in experiment.arms]
    yield from _twice(f"arm of {name}", arms)
    yield from _twice(f"metric of {name}", [experiment.primary, *experiment.secondary])
    yield from _twice(f"guardrail of {name}", [guardrail.metric for guardrail in experiment.guardrails])
    if experiment.control not in arms:
        yield f"the control {experiment.control!r} of {name} is no arm: choose one of {', '.join(arms)}"
    for arm, size in zip(arms, shares(experiment.arms), strict=True):
        if size == 0:
            yield f"the arm {arm} of {name} gets less than one of {BUCKETS:,} users: raise its weight"
    if milliseconds(experiment.minimum) > milliseconds(experiment.maximum):
        yield f"{name} may not end before {experiment.minimum}, and must by {experiment.maximum}"
    if milliseconds(experiment.window) > milliseconds(experiment.maximum):
        yield f"no user of {name} is finished in time: the window {experiment.window} is over {experiment.maximum}"
    if experiment.smallest_effect is not None and not 0 < experiment.smallest_effect <= MOST_EFFECT:
        yield f"the smallest_effect of {name} must be above 0, and at most {MOST_EFFECT}"


def _metric_faults(experiment: ExperimentPlan, value: str | None) -> Iterator[str]:
    """Metrics and guardrails that this experiment cannot have."""
    name, metrics = experiment.name, (experiment.primary, *experiment.secondary)
    if "revenue" in metrics and value is None:
        yield (
            f"revenue of {name} needs `value` beside `layers`: the name in the context of a conversion under which its "
            "value stands, such as price"
        )
    if "returned" in metrics and milliseconds(experiment.window) < milliseconds("1d"):
        yield f"returned of {name} looks at a day, and the window is {experiment.window}: give a window of 1d or more"
    if experiment.ship == "automatic":
        for arm in experiment.arms:
            if arm.name != experiment.control and (arm.model is None or _sets_others(arm)):
                yield (
                    f"the arm {arm.name} of {name} cannot be put into service by itself, since that is done by its "
                    "model: let it set a model and nothing else, or write `ship: by-hand`"
                )
    for guardrail in experiment.guardrails:
        if guardrail.slower_than is not None and guardrail.metric != "latency":
            yield f"slower_than of {guardrail.metric} of {name} says nothing: only the guardrail latency has it"
        if guardrail.metric in ("ctr", "coverage", "theme-exposure") and guardrail.margin >= 1:
            yield f"the margin {guardrail.margin:g} of {guardrail.metric} of {name} allows everything: give less than 1"
        if guardrail.metric == "theme-exposure" and len({arm.model for arm in experiment.arms}) > 1:
            yield f"theme-exposure of {name} compares themes by number, which two models do not share: leave it out"


def _sets_others(arm: ArmPlan) -> bool:
    """Whether an arm sets more than its model."""
    return any(getattr(arm, parameter) is not None for parameter in PARAMETERS if parameter != "model")


def _twice(kind: str, names: Sequence[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"the {kind} {name} stands {times} times"
