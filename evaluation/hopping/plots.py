"""Figures of the hopping measure, as SVG files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from evaluation.hopping.analysis import Analysis

mpl.rcParams.update({"svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
mpl.rcParams["svg.hashsalt"] = "mos-online"

INK, BLUE, ORANGE, GREY = "#1b1f24", "#2563a8", "#d9722c", "#9aa3ad"
DRAWN, COLUMNS = 12, 3
FEW, MANY = 8, 60
"""A timeline is drawn if it has so many sessions: fewer show nothing, more are a smear."""


def draw(analysis: Analysis, name: str, folder: Path, *, kind: str = "svg") -> None:
    """Write ``timelines``, ``hop_rates`` and ``cosines``.

    Args:
        analysis: of the log.
        name: of the dataset, for the titles.
        folder: made if missing.
        kind: ending of the files: svg, or png.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None, "Creator": None} if kind == "svg" else None
    figures = {
        "timelines": _timelines(analysis, name),
        "hop_rates": _hop_rates(analysis, name),
        "cosines": _cosines(analysis, name),
    }
    for title, figure in figures.items():
        figure.savefig(folder / f"{title}.{kind}", metadata=metadata)


def _timelines(analysis: Analysis, name: str) -> Figure:
    """Sessions of some users: time against theme."""
    visits, labels = analysis.visits, analysis.figures.labels
    chosen = _chosen(visits)
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(12, 0.8 + rows * (0.6 + 0.17 * len(labels))), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    for axes, user in zip(panels, chosen, strict=False):
        timeline = visits.filter(pl.col("user_id") == user)
        times = timeline["started_at"].to_numpy()
        themes = timeline["theme"].to_numpy()
        axes.plot(times[themes > 0], themes[themes > 0], color=GREY, linewidth=0.6)
        axes.scatter(times, themes, s=12, color=np.where(themes > 0, BLUE, GREY).tolist(), zorder=2)
        ticks = np.linspace(times[0], times[-1], 3)
        axes.set_xticks(ticks, np.datetime_as_string(ticks.astype("datetime64[ms]"), unit="D").tolist())
        axes.tick_params(axis="x", labelsize=7)
        axes.set_title(f"user {user}, {len(timeline)} sessions", fontsize=8)
        axes.set_yticks(range(len(labels)), [_short(label) for label in labels], fontsize=7)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.5)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    figure.suptitle(f"{name}: timelines of users, one mark per session")
    return figure


def _chosen(visits: pl.DataFrame) -> list[str]:
    """Users whose number of sessions can be drawn, evenly spread over them; else those with the most sessions."""
    counts = visits.group_by("user_id").len().sort("len", "user_id", descending=[True, False])
    fits = counts.filter(pl.col("len").is_between(FEW, MANY))["user_id"].to_list()
    if len(fits) < DRAWN:
        return counts.filter(pl.col("len") <= MANY)["user_id"].head(DRAWN).to_list()
    return [fits[at] for at in np.linspace(0, len(fits) - 1, DRAWN).astype(int)]


def _hop_rates(analysis: Analysis, name: str) -> Figure:
    """How the users' own hop rates are spread, and how they would be with shuffled sessions."""
    hops = analysis.figures.hops
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    users = analysis.by_user.sort("rate")
    weight = users["pairs"].to_numpy()
    for column, colour, mean in (("rate", BLUE, hops.rate), ("shuffled", ORANGE, hops.shuffled)):
        values = users[column].to_numpy()
        order = np.argsort(values)
        words = "as it was" if column == "rate" else "expected if shuffled"
        axes.step(
            values[order],
            np.cumsum(weight[order]) / weight.sum(),
            where="post",
            color=colour,
            label=f"{words}, mean {mean:.3f}",
        )
        axes.axvline(mean, color=colour, linewidth=0.8, linestyle=":")
    axes.set(
        title=f"{name}: hop rate of {len(users):,} users",
        xlabel="share of a user's consecutive sessions with different themes",
        ylabel="share of session pairs",
        xlim=(-0.02, 1.02),
        ylim=(0, 1.02),
    )
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def _cosines(analysis: Analysis, name: str) -> Figure:
    """Similarity inside, across and at random."""
    kinds = [("routing vectors", "mean cosine", analysis.figures.cosine)]
    if analysis.figures.category is not None:
        kinds.append(("category", "share of equal categories", analysis.figures.category))
    figure = Figure(figsize=(3.6 * len(kinds) + 0.6, 3.2), layout="constrained")
    for axes, (what, unit, found) in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        values = [found.inside, found.across, found.random]
        bars = axes.bar(
            ["inside a\nsession", "across\nsessions", "random,\nsame user"], values, color=[BLUE, ORANGE, GREY]
        )
        axes.bar_label(bars, fmt="%.3f", padding=2)
        axes.set(ylabel=unit, ylim=(min(0, *values), max(values) * 1.15))
        apart = found.difference
        axes.set_title(f"{what}: inside − across\n{apart.mean:+.3f} ({apart.low:+.3f}, {apart.high:+.3f})", fontsize=9)
    figure.suptitle(f"{name}: pairs of a user's events")
    return figure


def _short(label: str) -> str:
    return label if len(label) <= 34 else f"{label[:33]}…"
