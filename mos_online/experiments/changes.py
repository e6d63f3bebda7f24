"""How experiments are started, stopped and taken back: what is in force before, and what is after, as one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import asdict, replace

from mos_online.errors import ModelError, SettingsError
from mos_online.experiments.in_force import ArmRollback, Ended, InForce, Running
from mos_online.experiments.plan import ExperimentPlan, Plan
from mos_online.experiments.treatment import CHAMPION, Treatments

CHANGEABLE = ("buckets", "guardrails", "minimum", "maximum", "ship")
"""What a running experiment may change without another version. Buckets may only be added."""


MOST_PAIRS = 30
"""Of model and router that a replica holds beside the champion, each with all items."""


def started(before: InForce, plan: Plan, resolve: Callable[[str], str], *, now: int) -> InForce:
    """What is in force with a plan, which names all experiments that are to run.

    Experiments that run already keep their start, the models that they began with, and the arms that were taken back.

    Args:
        before: what is in force.
        plan: free of faults, as ``reading`` gives it.
        resolve: the version that an alias names, or the version itself; raises ModelError if there is none.
        now: ms since 1970 UTC.

    Raises:
        SettingsError: the plan does not follow from what is in force; the message says what to do.
        ModelError: an arm names a model that there is not.
    """
    faults = list(_faults(before, plan))
    if faults:
        raise SettingsError("; ".join(faults))
    running: list[Running] = []
    ended: list[Ended] = []
    for layer in plan.layers:
        for experiment in layer.experiments:
            found = before.named(experiment.name)
            if found is not None and found.version == experiment.version:
                running.append(replace(found, plan=experiment))
                continue
            if found is not None:
                ended.append(_ended(found, f"version {experiment.version} has followed", now))
            models = models_of(experiment, resolve)
            new = Running(
                layer=layer.name,
                plan=experiment,
                started_at=now,
                models=models,
                conversions=plan.conversions,
                value=plan.value,
            )
            running.append(new)
    after = replace(
        before.with_ended(ended),
        holdout=plan.holdout,
        conversions=plan.conversions,
        value=plan.value,
        running=running,
    )
    treatments = Treatments(after)
    pairs = {(one.model, treatments.router_of(one)) for one in treatments.all()} - {(None, CHAMPION)}
    if len(pairs) > MOST_PAIRS:
        raise SettingsError(
            f"the arms of all layers together need {len(pairs):,} pairs of model and router beside the champion, and a "
            f"replica holds at most {MOST_PAIRS} in memory: run fewer arms that set model or router at once"
        )
    return after


def stopped(before: InForce, experiments: Sequence[str], why: str, *, now: int) -> InForce:
    """What is in force without these experiments.

    Raises:
        SettingsError: one of them does not run.
    """
    for name in experiments:
        if before.named(name) is None:
            running = ", ".join(one.name for one in before.running) or "none"
            raise SettingsError(f"no experiment {name} runs; running are: {running}")
    ended = [_ended(one, why, now) for one in before.running if one.name in experiments]
    left = [one for one in before.running if one.name not in experiments]
    return replace(before.with_ended(ended), running=left)


def rolled_back(before: InForce, experiment: str, version: int, arm: str, why: str, *, now: int) -> InForce:
    """What is in force when the users of an arm get the control; the same again where they do already.

    Raises:
        ModelError: this version of the experiment does not run, it has no such arm, or that is the control.
    """
    found = before.named(experiment)
    if found is None or found.version != version:
        raise ModelError(
            f"version {version} of the experiment {experiment} does not run, so {arm} cannot be taken back"
        )
    arms = [one.name for one in found.plan.arms if one.name != found.plan.control]
    if arm not in arms:
        raise ModelError(f"{arm} of {experiment} cannot be taken back: choose one of {', '.join(arms)}")
    if found.is_rolled_back(arm):
        return before
    taken = replace(found, rolled_back=[*found.rolled_back, ArmRollback(arm=arm, at=now, why=why)])
    return replace(before, running=[taken if one is found else one for one in before.running])


def changed_keys(old: ExperimentPlan, new: ExperimentPlan) -> list[str]:
    """What differs between two plans of one version of an experiment, and may not."""
    was, is_now = asdict(old), asdict(new)
    return [key for key in is_now if key not in CHANGEABLE and was[key] != is_now[key]]


def models_of(experiment: ExperimentPlan, resolve: Callable[[str], str]) -> dict[str, str]:
    """Version of each model that the arms name, by that name.

    Raises:
        ModelError: there is no such model; the message says which arm names it.
    """
    versions: dict[str, str] = {}
    for arm in experiment.arms:
        if arm.model is None or arm.model in versions:
            continue
        try:
            versions[arm.model] = resolve(arm.model)
        except ModelError as error:
            raise ModelError(f"the arm {arm.name} of {experiment.name} has no model: {error}") from error
    return versions


def _ended(running: Running, why: str, now: int) -> Ended:
    return Ended(**asdict(running), ended_at=now, why=why)


def _faults(before: InForce, plan: Plan) -> Iterator[str]:
    if before.running and plan.holdout > before.holdout:
        yield (
            f"the holdout may not grow from {before.holdout} to {plan.holdout} while experiments run, because users "
            "would leave them: stop them first, or keep it"
        )
    named = {experiment.name for layer in plan.layers for experiment in layer.experiments}
    for one in before.running:
        if one.name not in named:
            yield (
                f"the experiment {one.name} runs and is not in the file: stop it with `mos experiments stop {one.name}`"
                ", or add it"
            )
    for layer in plan.layers:
        for experiment in layer.experiments:
            yield from _version_faults(before, layer.name, experiment)


def _version_faults(before: InForce, layer: str, experiment: ExperimentPlan) -> Iterator[str]:
    name, found, highest = experiment.name, before.named(experiment.name), before.highest_version(experiment.name)
    if found is None or found.version != experiment.version:
        if experiment.version <= highest:
            yield f"version {experiment.version} of {name} has run already: raise its version to {highest + 1}"
        return
    changed = changed_keys(found.plan, experiment)
    if layer != found.layer:
        changed.append(f"layer ({found.layer} to {layer})")
    if changed:
        yield (
            f"{name} runs and was changed in {', '.join(changed)}: raise its version to {highest + 1}, which draws its "
            f"users anew; without that only {', '.join(CHANGEABLE)} may change"
        )
    for low, high in found.plan.buckets:
        if not all(_inside(bucket, experiment) for bucket in range(low, high)):
            yield (
                f"{name} runs on the buckets [{low}, {high}], and not all of them are in the file: ranges may only be "
                f"added, never moved; keep them, or raise its version to {highest + 1}"
            )


def _inside(bucket: int, experiment: ExperimentPlan) -> bool:
    return any(low <= bucket < high for low, high in experiment.buckets)
