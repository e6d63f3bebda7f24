"""The versions of the model that the arms of a plan mean."""

from __future__ import annotations

from collections.abc import Callable

from mos_online.errors import ModelError
from mos_online.experiments.plan import Plan


def models_of(plan: Plan, resolve: Callable[[str], str]) -> dict[str, str]:
    """Version of each model that an arm names, by that name.

    Args:
        plan: the experiments.
        resolve: the version that an alias names, or the version itself; raises ModelError if there is none.

    Raises:
        ModelError: an arm names a model that there is not; the message says which arm.
    """
    versions: dict[str, str] = {}
    for layer in plan.layers:
        for experiment in layer.experiments:
            for arm in experiment.arms:
                if arm.model is None or arm.model in versions:
                    continue
                try:
                    versions[arm.model] = resolve(arm.model)
                except ModelError as error:
                    raise ModelError(f"the arm {arm.name} of {experiment.name} has no model: {error}") from error
    return versions
