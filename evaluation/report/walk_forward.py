"""Writes the report of the walk-forward comparison: Markdown and one figure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.report.interval import interval
from evaluation.report.plots import BLUE, GREY, INK, ORANGE
from evaluation.results.measures import Results
from evaluation.results.store import Store
from evaluation.walk_forward.new_item_routing import WATCHED, Routability
from evaluation.walk_forward.schedules import BACKBONE, COMPARED, SCHEDULES

PAIRS = (
    *((f"mos@{schedule}", f"backbone+table@{schedule}") for schedule in SCHEDULES),
    ("mos@updated", "mos-random@updated"),
    ("mos@updated", "mos@frozen"),
    ("mos@retrained", "mos@frozen"),
    ("mos@updated", "mos@retrained"),
    ("backbone+table@updated", "backbone+table@frozen"),
)


def write_walk_forward_report(store: Store) -> Path:
    """Write ``report.md`` and its figure into the store's folder."""
    results = Results(store)
    lines = ["# Walk-forward comparison\n"]
    for dataset in results.datasets:
        lines += _dataset(results, dataset)
        _figure(results, dataset).savefig(
            store.root / f"{dataset.replace(':', '_')}.svg", metadata={"Date": None, "Creator": None}
        )
    path = store.root / "report.md"
    path.write_text("\n".join(lines) + "\n")
    return path


def _dataset(results: Results, dataset: str) -> Iterator[str]:
    about, facts = results.store.about(dataset), results.store.facts(dataset)
    config = about["config"]
    yield f"## {dataset}\n"
    length, new = f"{config['steps']} steps of {config['hours']:g} hours", facts["new"].mean()
    yield (
        f"{about['judged']:,} clicks of {length}; {new:.0%} of them on items first clicked after the first step began. "
        f"Frozen: as of the first step. Updated: when a step is over, it is learned on its judged clicks how much is "
        f"mixed in, and then the model makes one pass over all its clicks; new items get routing rows. Retrained: "
        f"fitted anew, router included, every {config['anew'] * config['hours']:g} hours, and not updated in between. "
        f"`mos-served` is the same fit as `mos`, with co-clicks and popularity mixed in as the service does it. Models "
        f"that count learn every click at once; what is popular is told to all others at every "
        f"{_every(config['fresh'])}judged click. Intervals: 95 %, by drawing user-hours. "
        f"Data {about['data']}.\n"
    )
    yield "| model | seeds | GAUC | same theme | NDCG@10 | HR@10 | MRR@20 | NDCG@10 on new items | s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    rows = [(BACKBONE, f"{name}@{schedule}") for schedule in SCHEDULES for name in COMPARED]
    for backbone, name in [*rows, *(("counting", name) for name in COUNTING_MODELS)]:
        if not results.has(dataset, backbone, name):  # measured before it was compared
            continue
        group = results.group(dataset, backbone, name)
        row, on_new = group.row(), group.ndcg()[:, facts["new"].astype(bool)]
        new = f"{on_new.mean():.4f}" if on_new.size else ""
        yield (
            f"| {name} | {row.seeds} | {row.gauc:.4f} | {row.themed:.4f} | {row.ndcg:.4f} | {row.hit_rate:.4f} | "
            f"{row.reciprocal_rank:.4f} | {new} | {row.seconds:.0f} |"
        )
    yield ""
    yield "| difference | GAUC [95 %] | NDCG@10 [95 %] |"
    yield "|---|---|---|"
    for one, other in PAIRS:
        gauc = results.gauc_gain(dataset, BACKBONE, one, other)
        ndcg = results.ndcg_gain(dataset, BACKBONE, one, other, BACKBONE)
        yield f"| {one} - {other} | {interval(gauc)} | {interval(ndcg)} |"
    for one in ("mos@updated", "mos-served@updated"):
        for name in COUNTING_MODELS if results.has(dataset, BACKBONE, one) else ():
            ndcg = results.ndcg_gain(dataset, BACKBONE, one, name, "counting")
            yield f"| {one} - {name} | | {interval(ndcg)} |"
    yield ""
    yield from _new_items(about["new_items"])


def _new_items(document: dict[str, Any]) -> Iterator[str]:
    """A paragraph on ``Routability``; JSON has no nan, so that what was not measured is null there."""
    if not document["items"]:
        yield f"New items: none got {WATCHED} clicks during the steps.\n"
        return
    new = Routability(**{name: _measured(value) for name, value in document.items()})
    yield (
        f"New items: {new.items:,} were first clicked during the steps and got at least {WATCHED} clicks there. "
        f"{new.by_category:.0%} of them are placed by their category at once; {new.with_row:.0%} came to a row of "
        f"their own by what they were clicked with, after {new.minutes[0]:.0f} minutes and {new.clicks[0]:.0f} "
        f"clicks (median; 90 % "
        f"quantile: {new.minutes[1]:.0f} minutes, {new.clicks[1]:.0f} clicks; a session teaches when it closes). The "
        f"theme that all those items give in hindsight is also the category's for {new.category_agrees:.0%} and the "
        f"first row's for {new.first_agrees:.0%}.\n"
    )


def _measured(value: Any) -> Any:
    """A number, or a pair of them, with nan in place of None."""
    if isinstance(value, list):
        return tuple(_measured(one) for one in value)
    return math.nan if value is None else value


def _figure(results: Results, dataset: str) -> Figure:
    """NDCG@10 by step."""
    step = results.store.facts(dataset)["step"].astype(np.int64)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    styles = dict(zip(SCHEDULES, (":", "-", "--"), strict=True))
    for name, colour in (("mos-served", INK), ("mos", ORANGE), ("backbone+table", BLUE)):
        for schedule, style in styles.items():
            if not results.has(dataset, BACKBONE, f"{name}@{schedule}"):
                continue
            gains = results.group(dataset, BACKBONE, f"{name}@{schedule}").ndcg().mean(0)
            means = np.bincount(step, gains) / np.maximum(np.bincount(step), 1)
            axes.plot(np.arange(len(means)) + 1, means, style, color=colour, label=f"{name}, {schedule}")
    counted = results.group(dataset, "counting", "vmis-knn").ndcg().mean(0)
    means = np.bincount(step, counted) / np.maximum(np.bincount(step), 1)
    axes.plot(np.arange(len(means)) + 1, means, color=GREY, label="vmis-knn")
    axes.set(title=dataset, xlabel="step", ylabel="NDCG@10")
    axes.legend(fontsize=7, ncols=2)
    return figure


def _every(count: int) -> str:
    return "" if count == 1 else f"{count}th "
