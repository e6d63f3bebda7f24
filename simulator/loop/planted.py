"""Effects that are planted in the arms of a running experiment: what its lists make of its users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mos_online.arrays import Floats
from mos_online.contracts import Assignment
from mos_online.errors import SettingsError
from simulator.loop.config import Arm, Habits


def planted(options: Iterable[str], habits: Habits) -> dict[str, float]:
    """Effects by "experiment/arm".

    Args:
        options: such as "routing/online=0.1": in this arm the relevance of all items is 1.1 times as large.
        habits: of the users.

    Raises:
        SettingsError: an option is something else, an arm is named twice, or an effect is too large to be exact.
    """
    effects: dict[str, float] = {}
    for option in options:
        name, _, text = option.partition("=")
        try:
            effect = float(text)
        except ValueError:
            effect = np.nan
        if "/" not in name or not np.isfinite(effect):
            raise SettingsError(f"--effect {option}: give an arm and its effect, such as --effect routing/online=0.1")
        if name in effects:
            raise SettingsError(f"--effect: the arm {name} is given twice")
        Arm(name=name, effect=effect).check(habits)
        effects[name] = effect
    return effects


def arms_of(assignments: Iterable[Assignment]) -> list[str]:
    """The arms whose lists a user gets, as "experiment/arm"; not those that get the control instead."""
    return [f"{one.experiment}/{one.arm}" for one in assignments if one.control_because is None]


def effects_of(answered: Sequence[Sequence[Assignment]], planted: Mapping[str, float]) -> Floats | None:
    """What is planted in the arms of each answer, float64 (n,): several effects multiply. None if nothing is."""
    if not planted:
        return None
    factors = [np.prod([1 + planted.get(arm, 0.0) for arm in arms_of(some)]) for some in answered]
    effects: Floats = np.array(factors, np.float64) - 1
    return effects
