"""The report's figures, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

mpl.rcParams.update({"svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
mpl.rcParams["svg.hashsalt"] = "mos-online"

INK, BLUE, ORANGE, GREEN, GREY = "#1b1f24", "#2563a8", "#d9722c", "#3a8a4d", "#9aa3ad"


def timeline(rows: Sequence[Mapping[str, float]]) -> str:
    """Draw rates over the wall time of the replay, and the number of open sessions."""
    if len(rows) < 3:
        return ""
    seconds = np.array([row["seconds"] for row in rows])
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    rates, state = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for name, colour in (("events", BLUE), ("sessions", ORANGE), ("recommendations", GREEN)):
        totals = np.array([row[name] for row in rows])
        rates.plot(seconds[1:], np.diff(totals) / np.maximum(np.diff(seconds), 1e-9), color=colour, label=name)
    rates.set(title="Clicks in, sessions closed, recommendations out", ylabel="per second", ylim=(0, None))
    rates.legend(frameon=False, ncols=3)
    state.plot(seconds, [row["open"] for row in rows], color=GREY)
    state.set(xlabel="seconds of replay", ylabel="open sessions", ylim=(0, None))
    return svg(figure)


def delays(samples: Mapping[str, Sequence[float]]) -> str:
    """Draw how long each stage took, as cumulative shares over a logarithmic axis."""
    drawn = {name: values for name, values in samples.items() if len(values)}
    if not drawn:
        return ""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    for (name, values), colour in zip(drawn.items(), (BLUE, ORANGE, GREEN, INK), strict=False):
        ordered = np.sort(np.maximum(np.asarray(values, dtype=np.float64), 0.1))
        axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered), color=colour, label=name)
    axes.set(title="Latency", xlabel="milliseconds", ylabel="share done", xscale="log", ylim=(0, 1.01))
    axes.axhline(0.99, color=GREY, linewidth=0.7, linestyle=":")
    axes.legend(frameon=False, loc="lower right")
    return svg(figure)


def quality(judged: Mapping[str, Any]) -> str:
    """Draw the hit-rate@10 of every recommender with its 95 % interval, one panel per kind of request."""
    kinds = [kind for kind, part in judged.items() if part["requests"]]
    if not kinds:
        return ""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, kind in zip(np.atleast_1d(figure.subplots(1, len(kinds))), kinds, strict=True):
        measured = {who: one for who, one in judged[kind]["recommenders"].items() if not who.endswith("all_knowing")}
        means = np.array([r["hit_rate_at_10"]["mean"] for r in measured.values()])
        lows = np.array([r["hit_rate_at_10"]["low"] for r in measured.values()])
        highs = np.array([r["hit_rate_at_10"]["high"] for r in measured.values()])
        colours = [BLUE if name == "mos" else GREY for name in measured]
        errors = np.maximum(np.stack([means - lows, highs - means]), 0)
        axes.bar(list(measured), means, yerr=errors, color=colours, ecolor=INK, capsize=3)
        axes.set(title=kind.replace("_", " "), ylabel="hit-rate@10", ylim=(0, None))
    return svg(figure)


def learning(learned: Mapping[str, Any]) -> str:
    """Draw the NDCG of each way of serving over event time, with its 95 % interval, and the drift."""
    windows = learned["windows"]
    if len(windows) < 2:
        return ""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    hours = [window["hours"] for window in windows]
    for name, colour in zip(windows[0]["ndcg"], (GREY, ORANGE, BLUE, GREEN), strict=True):
        parts = [window["ndcg"][name] for window in windows]
        axes.plot(hours, [part["mean"] for part in parts], color=colour, label=name)
        low, high = ([part[bound] for part in parts] for bound in ("low", "high"))
        axes.fill_between(hours, np.maximum(low, 0), np.minimum(high, 1), color=colour, alpha=0.15, linewidth=0)
    if learned["drift_at_hours"] is not None:
        axes.axvline(learned["drift_at_hours"], color=INK, linewidth=0.7, linestyle=":")
    axes.set(
        title="What learning was worth: the same requests, answered in each way",
        xlabel="hours of event time",
        ylabel="NDCG@10",
        ylim=(0, None),
    )
    axes.legend(frameon=False, ncols=4, loc="lower left")
    return svg(figure)


def svg(figure: Figure) -> str:
    """The figure as an element of a page, the same bytes for the same figure."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
