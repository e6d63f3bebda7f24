"""Real exposures: which of the articles in view is clicked? MoS and its rivals on lists that users were really shown.

    python benchmarks/real_exposures.py [--seeds 5] [--data FOLDER]

Prints Markdown for ``ebnerd_44_users`` of the dataset folder (default: $MOS_DATA_DIR). Models are fitted on the clicks
before the first list. Intervals come from drawing users, after the seeds are averaged: for 38 users they are wide.
GAUC compares items of different lists, by their chance among those in view, so it also rewards knowing a list's length;
the AUC of a list does not. The articles have no category.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.exposures.data import ExposureData
from evaluation.exposures.ranking import fit_candidate, score_lists
from evaluation.protocol.data import ExperimentConfig
from evaluation.protocol.fitting import FitConfig
from evaluation.protocol.split import SplitConfig
from mos_online.arrays import Floats
from mos_online.metrics.bootstrap import paired_bootstrap, paired_gauc_bootstrap
from mos_online.metrics.ctr import auc, user_aucs
from mos_online.metrics.ranking import Estimate
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig
from simulator.datasets.folder import read_folder

DATASET = "ebnerd_44_users"
FITTED = ("backbone+table", "mos", "mos-random")
COUNTED = ("popularity", "item-knn")
BASELINE = "backbone+table"
CONFIG = ExperimentConfig(split=SplitConfig(router=0.5, train=0.8), moment=32)
BUDGET = FitConfig()

TIE = 1e-6
"""Scores that differ by less are equal but for rounding."""


def by_list(data: ExposureData, scores: list[Floats]) -> Floats:
    """AUC of each list."""
    return np.array([auc(one.clicked, points) for one, points in zip(data.shown, scores, strict=True)])


def by_user(data: ExposureData, scores: list[Floats]) -> tuple[Floats, Floats]:
    """AUC and number of items in view of each user."""
    users = [one.user for one in data.shown for _ in one.items]
    labels = [clicked for one in data.shown for clicked in one.clicked]
    _, aucs, weights = user_aucs(labels, np.concatenate(scores), users)
    return aucs, weights.astype(np.float64)


KINDS = ("neither", "only the other", "only the clicked one", "both")


def seen_before(data: ExposureData) -> list[NDArray[np.bool_]]:
    """Which items of each list anybody had clicked before the list was shown."""
    first: dict[str, int] = {}
    for item, time in data.log.events.sort("timestamp").select("item_id", "timestamp").iter_rows():
        first.setdefault(item, time)
    return [np.array([first.get(item, one.time) < one.time for item in one.items]) for one in data.shown]


def pairs(data: ExposureData, scores: list[Floats]) -> tuple[Floats, Floats]:
    """Pairs of a clicked and another item of one list, by ``KINDS`` of which had been clicked before.

    Returns:
        float64 (4,) each: the share of pairs that the clicked item wins, ties half; how many pairs there are.
    """
    won, count = np.zeros(4), np.zeros(4)
    for one, points, seen in zip(data.shown, scores, seen_before(data), strict=True):
        clicked = np.array(one.clicked)
        kind = (2 * seen[clicked][:, None] + seen[~clicked]).ravel()
        gap = points[clicked][:, None] - points[~clicked]
        beaten = np.where(np.abs(gap) < TIE, 0.5, gap > 0).ravel()
        won += np.bincount(kind, weights=beaten, minlength=4)
        count += np.bincount(kind, minlength=4)
    return won / np.maximum(count, 1), count


def shares(data: ExposureData) -> dict[str, float]:
    """What is known of the items in view."""
    row = {item: number for number, item in enumerate(data.catalogue.items, 1)}
    rows = [row[item] for one in data.shown for item in one.items]
    return {
        "clicked before validation: a row of their own": float(data.known[rows].mean()),
        "with a routing vector": float((data.routing.table[rows].norm(dim=1) > 0).float().mean()),
        "clicked by anybody before their list": float(np.concatenate(seen_before(data)).mean()),
    }


def interval(one: Estimate, *, sign: bool = False) -> str:
    """A mean with its interval."""
    form = "{:+.3f} [{:+.3f}, {:+.3f}]" if sign else "{:.3f} [{:.3f}, {:.3f}]"
    return form.format(one.mean, one.low, one.high)


def report(data: ExposureData, scores: dict[str, list[list[Floats]]]) -> list[str]:
    """Markdown; ``scores``: of each model, of each seed, of each list."""
    users = [one.user for one in data.shown]
    lists = {name: np.array([by_list(data, seed) for seed in seeds]) for name, seeds in scores.items()}
    grouped = {name: np.array([by_user(data, seed)[0] for seed in seeds]) for name, seeds in scores.items()}
    weights = by_user(data, scores[BASELINE][0])[1]
    lines = [
        f"{len(users):,} lists of {len(set(users))} users, {len(data.log.events):,} clicks.",
        "",
        "| items in view | share |",
        "|---|---|",
        *(f"| {name} | {share:.1%} |" for name, share in shares(data).items()),
        "",
        f"| model | AUC of a list | seeds, least to most | against {BASELINE} | GAUC | against {BASELINE} |",
        "|---|---|---|---|---|---|",
    ]
    for name in scores:
        means = lists[name].mean(1)
        against = grouped[name].mean(0), grouped[BASELINE].mean(0)
        level = paired_bootstrap(lists[name].mean(0), np.zeros(len(users)), users)
        gain = paired_bootstrap(lists[name].mean(0), lists[BASELINE].mean(0), users)
        group = paired_gauc_bootstrap(against[0], np.zeros(len(weights)), weights)
        group_gain = paired_gauc_bootstrap(*against, weights)
        lines.append(
            f"| {name} | {interval(level)} | {means.min():.3f} to {means.max():.3f} | {interval(gain, sign=True)} | "
            f"{interval(group)} | {interval(group_gain, sign=True)} |"
        )
    lines += ["", f"| pairs won, clicked before: | {' | '.join(KINDS)} |", "|---|---|---|---|---|"]
    counts = pairs(data, scores[BASELINE][0])[1]
    lines.append(f"| pairs | {' | '.join(f'{count:,.0f}' for count in counts)} |")
    for name, seeds in scores.items():
        won = np.mean([pairs(data, seed)[0] for seed in seeds], 0)
        lines.append(f"| {name} | {' | '.join(f'{share:.3f}' for share in won)} |")
    return lines


def compare(data: ExposureData, *, backbone: str, seeds: int, budget: FitConfig) -> dict[str, list[list[Floats]]]:
    """Fit and score every model: of each, of each seed, of each list."""
    names = [name for name in FITTED for _ in range(seeds)] + list(COUNTED)
    fitted = [
        fit_candidate(data, name, backbone=backbone, sizes=Sizes(), config=budget, seed=seed)
        for name in FITTED
        for seed in range(seeds)
    ]
    made = score_lists(data, fitted, [COUNTING_MODELS[name](data) for name in COUNTED])
    scores: dict[str, list[list[Floats]]] = {name: [] for name in names}
    for name, lists in zip(names, made, strict=True):
        scores[name].append(lists)
    return scores


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--backbone", default=TrainConfig.backbone)
    parser.add_argument("--data", type=Path, default=os.environ.get("MOS_DATA_DIR"), help="folder of the datasets")
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data or set MOS_DATA_DIR")
    torch.set_num_threads(1)
    log = read_folder(options.data / DATASET)
    data = ExposureData(log.events, log.items, sessions=SessionConfig(), config=CONFIG, name=log.name)
    scores = compare(data, backbone=options.backbone, seeds=options.seeds, budget=BUDGET)
    print(*report(data, scores), sep="\n")


if __name__ == "__main__":
    main()
