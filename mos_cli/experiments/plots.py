"""The figures of the report of experiments, as SVG text; empty where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from mos_cli.demo.plots import BLUE, GREY, INK, ORANGE, svg
from mos_online.experiments.arm_result import ArmResult
from mos_online.experiments.contrast import Estimate
from mos_online.experiments.looks import Look
from mos_online.experiments.result import ExperimentResult

HOUR = 3_600_000


def over_time(result: ExperimentResult, arm: str) -> str:
    """The difference of the primary metric at every look: confidence sequence, and the naive interval beside it."""
    looks = [look for look in result.looks if look.arms[arm].low is not None]
    if len(looks) < 2:
        return ""
    hours = _hours(result, looks)
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    estimates = [look.arms[arm] for look in looks]
    low, high = ([_bound(one, name) for one in estimates] for name in ("low", "high"))
    axes.fill_between(
        hours, low, high, color=BLUE, alpha=0.18, linewidth=0, label="confidence sequence: valid at all looks"
    )
    for name, label in (("naive_low", "naive 95 % interval: valid at one look"), ("naive_high", None)):
        axes.plot(
            hours, [_bound(one, name) for one in estimates], color=ORANGE, linewidth=0.9, linestyle="--", label=label
        )
    axes.plot(hours, [one.difference for one in estimates], color=BLUE, label="difference")
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set(
        title=f"{result.plan.primary}: {arm} minus {result.plan.control}",
        xlabel="hours of event time since the first exposure",
        ylabel="difference",
    )
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.35 * (top - bottom))  # room for the legend
    axes.legend(frameon=False, loc="upper right")
    return svg(figure)


def split(result: ExperimentResult) -> str:
    """The evidence against the planned split at every look, with the limit."""
    if len(result.looks) < 2:
        return ""
    figure = Figure(figsize=(9, 1.9), layout="constrained")
    axes = figure.subplots()
    axes.plot(_hours(result, result.looks), [max(look.evidence, -10.0) for look in result.looks], color=BLUE)
    axes.axhline(result.allowed, color=ORANGE, linewidth=0.9, linestyle="--", label="alarm")
    axes.set(
        title="Evidence against the planned split, largest so far",
        xlabel="hours of event time since the first exposure",
        ylabel="ln of the e-value",
    )
    axes.legend(frameon=False, loc="upper right")
    return svg(figure)


def themes(result: ExperimentResult, arm: ArmResult) -> str:
    """The share of each theme in what was shown, in both arms."""
    if not arm.themes:
        return ""
    figure = Figure(figsize=(9, 2.2), layout="constrained")
    axes = figure.subplots()
    numbers = sorted(arm.themes)
    places = range(len(numbers))
    for side, (name, colour) in enumerate(((result.plan.control, GREY), (arm.arm, BLUE))):
        shares = [arm.themes[theme][side] for theme in numbers]
        axes.bar([place + 0.4 * side - 0.2 for place in places], shares, width=0.4, color=colour, label=name)
    axes.set(
        title="What was shown in the first hour of users, by theme (0: of no theme)",
        xlabel="theme",
        ylabel="share of the items",
        ylim=(0, None),
    )
    axes.set_xticks(list(places), [str(theme) for theme in numbers])
    axes.set_ylim(0, 1.3 * max(max(both) for both in arm.themes.values()))
    axes.legend(frameon=False, ncols=2, loc="upper right")
    return svg(figure)


def novelty(result: ExperimentResult, arm: ArmResult) -> str:
    """The effect on the CTR by the time since a user's first exposure."""
    known = [(part, one) for part, one in enumerate(arm.novelty, 1) if one.low is not None and one.treated]
    if not known:
        return ""
    figure = Figure(figsize=(9, 2.2), layout="constrained")
    axes = figure.subplots()
    middle = [one.difference for _, one in known]
    below = [one.difference - _bound(one, "low") for _, one in known]
    above = [_bound(one, "high") - one.difference for _, one in known]
    axes.errorbar([part for part, _ in known], middle, yerr=[below, above], fmt="o", color=BLUE, capsize=3)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set(
        title=f"Effect on the CTR by the time since a user's first exposure (sevenths of {result.plan.window})",
        xlabel="part of the window",
        ylabel="difference",
        xlim=(0.5, len(arm.novelty) + 0.5),
    )
    return svg(figure)


def _hours(result: ExperimentResult, looks: Sequence[Look]) -> list[float]:
    return [(look.at - result.begun_at) / HOUR for look in looks]


def _bound(estimate: Estimate, name: str) -> float:
    found = getattr(estimate, name)
    return float("nan") if found is None else float(found)
