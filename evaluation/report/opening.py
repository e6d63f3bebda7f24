"""The figures a reader sees first: ranking of the whole catalogue beside simple methods, and then GAUC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluation.report.interval import interval
from evaluation.results.measures import Results
from evaluation.static.plan import BASELINE, COUNTED, OURS, REFERENCE, SERVED


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A model that MoS is shown beside: its name for readers, backbone and model."""

    name: str
    backbone: str
    model: str


COLUMNS = (
    *(Beside(name=name, backbone="counting", model=name) for name in COUNTED),
    Beside(name="SASRec", backbone="sasrec", model=BASELINE),
    Beside(name=REFERENCE, backbone=REFERENCE, model=BASELINE),
)
"""Those that only count, SASRec with the same information as MoS, and the backbone that MoS is built on."""


SERVED_NAME = "MoS as served"


def opening(results: Results) -> Iterator[str]:
    """Two tables of NDCG@10, what beats MoS, and a table of GAUC, in Markdown; nothing without a run of MoS."""
    logs = [dataset for dataset in results.datasets if results.has(dataset, REFERENCE, OURS)]
    if not logs:
        return
    yield "## Ranking the whole catalogue\n"
    yield (
        "NDCG@10 for the next click on the test positions. All items that were clicked before are ranked. Each learned "
        "model is fitted on the same positions, stopped by validation, and goes on with all positions before the test. "
        f"MoS is built on {REFERENCE}, as `mos train` "
        "builds it; SASRec and that backbone get the routing vectors too. The service mixes co-clicks and "
        "popularity into the scores of MoS, by weights that are learned on validation, and anew after each tenth of "
        "the test, on the newest clicks before. No other model has anything mixed in. The counting methods learn every "
        "click at once, with settings chosen before validation: the half-lives, whether a session goes on with the one "
        "before, and whether items that the user had are left out.\n"
    )
    yield from _ranked(results, logs)
    for model, name in ((OURS, "MoS"), (SERVED, SERVED_NAME)):
        there = [dataset for dataset in logs if results.has(dataset, REFERENCE, model)]
        if there:
            yield from _differences(results, there, model, name)
            yield from _beaten(results, there, model, name)
    yield "## GAUC\n"
    yield (
        "The mean AUC of the users, weighted by their clicks, against four negatives for each target, drawn by "
        "popularity.\n"
    )
    yield from _gauc(results, logs)
    yield from _over_seeds(results, logs)


def _ranked(results: Results, logs: Sequence[str]) -> Iterator[str]:
    names = [column.name for column in COLUMNS]
    yield f"| log | test clicks | users | seeds | {' | '.join(names)} | MoS | {SERVED_NAME} |"
    yield "|---" * (len(names) + 6) + "|"
    for dataset in logs:
        ours = results.group(dataset, REFERENCE, OURS)
        cells = [_ndcg(results, dataset, column.backbone, column.model) for column in COLUMNS]
        cells += [_ndcg(results, dataset, REFERENCE, model) for model in (OURS, SERVED)]
        about = results.store.about(dataset)
        yield (f"| {dataset} | {about['test']:,} | {about['test_users']:,} | {ours.seeds} | {' | '.join(cells)} |")
    yield ""


def _ndcg(results: Results, dataset: str, backbone: str, model: str) -> str:
    if not results.has(dataset, backbone, model):
        return ""
    return f"{results.group(dataset, backbone, model).ndcg().mean():.4f}"


def _differences(results: Results, logs: Sequence[str], model: str, name: str) -> Iterator[str]:
    yield f"{name} minus each of the others, with a 95 % interval over the users:\n"
    yield f"| log | {' | '.join(column.name for column in COLUMNS)} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for dataset in logs:
        cells = []
        for column in COLUMNS:
            there = results.has(dataset, column.backbone, column.model)
            gain = results.ndcg_gain(dataset, REFERENCE, model, column.model, column.backbone) if there else None
            cells.append(interval(gain) if gain else "")
        yield f"| {dataset} | {' | '.join(cells)} |"
    yield ""


def _beaten(results: Results, logs: Sequence[str], model: str, name: str) -> Iterator[str]:
    """One line for each method: where its mean is above that of the model, plain popularity included."""
    for column in COLUMNS:
        there = [dataset for dataset in logs if results.has(dataset, column.backbone, column.model)]
        above = [
            dataset
            for dataset in there
            if results.ndcg_gain(dataset, REFERENCE, model, column.model, column.backbone).mean < 0
        ]
        yield f"- {column.name} ranks better than {name} on {len(above)} of {len(there)} logs" + _named(above)
    yield ""


def _named(logs: Sequence[str]) -> str:
    return f": {', '.join(logs)}." if logs else "."


def _over_seeds(results: Results, logs: Sequence[str]) -> Iterator[str]:
    """What MoS adds to its own backbone, with intervals over fits instead of users."""
    pairs = [dataset for dataset in logs if results.has(dataset, REFERENCE, BASELINE)]
    several = [
        dataset
        for dataset in pairs
        if min(results.group(dataset, REFERENCE, model).seeds for model in (OURS, BASELINE)) > 1
    ]
    if not several:
        return
    yield (
        f"MoS alone minus {REFERENCE}, with 95 % intervals over seeds of training (Student's t) instead of users: "
        "would other fits say the same?\n"
    )
    yield "| log | NDCG@10 | GAUC |\n|---|---|---|"
    for dataset in several:
        gains = (measure(dataset, REFERENCE, OURS, BASELINE) for measure in (results.seed_ndcg_gain, results.seed_gain))
        yield f"| {dataset} | {' | '.join(map(interval, gains))} |"
    yield ""


def _gauc(results: Results, logs: Sequence[str]) -> Iterator[str]:
    learned = [column for column in COLUMNS if column.backbone != "counting"]
    yield f"| log | {' | '.join(column.name for column in learned)} | MoS | MoS - {REFERENCE} [95 %] |"
    yield "|---" * (len(learned) + 3) + "|"
    for dataset in logs:
        shown = [(column.backbone, column.model) for column in learned] + [(REFERENCE, OURS)]
        cells = [
            f"{results.group(dataset, *one).row().gauc:.4f}" if results.has(dataset, *one) else "" for one in shown
        ]
        gain = ""
        if results.has(dataset, REFERENCE, BASELINE):
            gain = interval(results.gauc_gain(dataset, REFERENCE, OURS, BASELINE))
        yield f"| {dataset} | {' | '.join(cells)} | {gain} |"
    yield ""
