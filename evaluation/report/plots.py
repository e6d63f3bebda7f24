"""Figures of a comparison, as SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evaluation.report.claims import Finding
from evaluation.report.flops import costs
from evaluation.results.measures import Results
from evaluation.results.slices import slices
from evaluation.static.plan import BASELINE, OURS, REFERENCE

mpl.rcParams.update({"svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
mpl.rcParams["svg.hashsalt"] = "mos-online"

INK, BLUE, ORANGE, GREY = "#1b1f24", "#2563a8", "#d9722c", "#9aa3ad"
LABEL = 28
"""Characters of a theme's label."""


def draw(results: Results, found: Sequence[Finding], folder: Path) -> list[str]:
    """Draw what the runs allow and return the names of the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, figure in (
        ("gains", _gains(found)),
        ("slices_history", _by_slice(results, "history")),
        ("slices_hop_rate", _by_slice(results, "hop rate")),
        ("hopping", _hopping(results)),
        ("cost", _cost(results)),
        ("theme_map", _theme_map(results)),
    ):
        if figure is not None:
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
            drawn.append(name)
    return drawn


def _gains(found: Sequence[Finding]) -> Figure | None:
    """The gain over the baseline on every dataset and backbone."""
    part = [one for one in found if one.claim == 5]
    if not part:
        return None
    figure = Figure(figsize=(8, 0.8 + 0.28 * len(part)), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(part))[::-1]
    means = np.array([one.difference.mean for one in part])
    ends = np.array(
        [[one.difference.mean - one.difference.low, one.difference.high - one.difference.mean] for one in part]
    )
    axes.errorbar(means, at, xerr=np.maximum(ends.T, 0), fmt="o", color=BLUE, ecolor=INK, capsize=3)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(at, [one.where for one in part])
    axes.set(title="MoS minus backbone + routing table", xlabel="GAUC, 95 % interval")
    return figure


def _by_slice(results: Results, kind: str) -> Figure | None:
    """The gain by slice, one panel per dataset (reference backbone)."""
    sets = [d for d in results.datasets if all(results.has(d, REFERENCE, name) for name in (OURS, BASELINE))]
    if not sets:
        return None
    columns = min(4, len(sets))
    rows = -(-len(sets) // columns)
    figure = Figure(figsize=(3 * columns, 2.6 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes, dataset in zip(panels, sets, strict=False):
        chosen = {name: mask for name, mask in slices(results.store.facts(dataset)).items() if name.startswith(kind)}
        chosen = {name: mask for name, mask in chosen.items() if mask.sum() >= 50}
        gains = [results.slice_gain(dataset, REFERENCE, OURS, BASELINE, mask) for mask in chosen.values()]
        means = np.array([gain.mean for gain in gains])
        ends = np.array([[gain.mean - gain.low, gain.high - gain.mean] for gain in gains]).T.reshape(2, -1)
        axes.errorbar(
            np.arange(len(gains)), means, yerr=np.maximum(ends, 0), fmt="o", color=BLUE, ecolor=INK, capsize=3
        )
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_xticks(np.arange(len(gains)), [name.removeprefix(kind).strip() for name in chosen], rotation=20)
        axes.set(title=dataset, xlim=(-0.5, max(len(gains), 1) - 0.5))
    for axes in panels[len(sets) :]:
        axes.set_visible(False)
    figure.suptitle(f"MoS minus baseline, request-wise AUC, by {kind}")
    return figure


def _hopping(results: Results) -> Figure | None:
    """The gain against how often users hop, one point per dataset (reference backbone)."""
    sets = [d for d in results.datasets if all(results.has(d, REFERENCE, name) for name in (OURS, BASELINE))]
    if len(sets) < 2:
        return None
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for dataset in sets:
        rate = np.nanmean(results.store.facts(dataset)["hop_rate"].astype(np.float64))
        gain = results.gauc_gain(dataset, REFERENCE, OURS, BASELINE)
        ends = np.array([[gain.mean - gain.low], [gain.high - gain.mean]])
        colour = ORANGE if dataset.startswith("synthetic") else BLUE
        axes.errorbar(rate, gain.mean, yerr=np.maximum(ends, 0), fmt="o", color=colour, capsize=3)
        axes.annotate(dataset, (rate, gain.mean), fontsize=7, xytext=(5, 3), textcoords="offset points")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(
        title=f"MoS minus backbone + routing table ({REFERENCE}); planted populations in orange",
        xlabel="mean hop rate of the users of the test positions",
        ylabel="GAUC, 95 % interval",
    )
    return figure


def _cost(results: Results) -> Figure | None:
    """What a request costs against what it brings, for the dataset with the most models."""
    sets = [d for d in results.datasets if len(results.models(d, REFERENCE)) > 5]
    if not sets:
        return None
    dataset = max(sets, key=lambda d: len(results.models(d, REFERENCE)))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for cost in costs(REFERENCE):
        if not results.has(dataset, REFERENCE, cost.model):
            continue
        name, spent = cost.model, cost.hundred / 1e6
        reached = results.group(dataset, REFERENCE, name).row().gauc
        colour = ORANGE if name == OURS else BLUE if name == BASELINE else GREY
        axes.plot(spent, reached, "o", color=colour)
        axes.annotate(name, (spent, reached), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.set(title=dataset, xlabel="MFLOP per request: 100 candidates of all themes", ylabel="GAUC")
    return figure


def _theme_map(results: Results) -> Figure | None:
    """Items between the themes, one panel per dataset, each theme with its label."""
    maps = {dataset: found for dataset in results.datasets if (found := results.store.map(dataset)) is not None}
    if not maps:
        return None
    columns = min(3, len(maps))
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(4.6 * columns, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    colours = [mpl.colormaps["tab10"](number) for number in range(10)]
    for axes, (dataset, found) in zip(panels, maps.items(), strict=False):
        items, themes, theme = found["items"], found["themes"], found["theme"]
        axes.add_artist(mpl.patches.Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.6))
        axes.scatter(*items.T, s=3, c=[colours[number % 10] for number in theme], rasterized=True)
        for number, (place, label) in enumerate(
            zip(themes, results.store.about(dataset)["labels"], strict=True), start=1
        ):
            side = "left" if place[0] >= 0 else "right"
            short = label if len(label) <= LABEL else label[: LABEL - 1] + "…"
            axes.annotate(short, 1.04 * place, fontsize=6, ha=side, va="center", color=colours[number % 10])
        axes.set(title=dataset, xlim=(-2, 2), ylim=(-1.15, 1.15), aspect="equal")
        axes.set_axis_off()
    for axes in panels[len(maps) :]:
        axes.set_visible(False)
    figure.suptitle("Items most clicked, between the themes they are like")
    return figure
