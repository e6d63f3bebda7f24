"""The report of a comparison: Markdown, with figures beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.hopping.verdict import FEWEST_USERS
from evaluation.report.claims import Finding, findings
from evaluation.report.deviations import deviations
from evaluation.report.flops import Cost, costs
from evaluation.report.interval import interval
from evaluation.report.opening import opening
from evaluation.report.plots import draw
from evaluation.results.measures import Results
from evaluation.results.seed_group import Row
from evaluation.results.slices import slices
from evaluation.results.store import Store
from evaluation.static.plan import BASELINE, OURS

CLAIMS = {
    2: "The gain grows with hopping (lower end of the slope above 0)",
    3: "The gain sits at returning themes (more than inside sessions)",
    4: "It is the routing, not the capacity (above random routing and equal-parameter mixtures, Holm)",
    5: "It does no harm (lower end of the gain in GAUC at least -0.002)",
    6: "It helps where the hopping measure said so beforehand (gain in GAUC, Holm)",
    8: "Longer histories gain more (slope above 0)",
    0: "Others, fresher routers, whole-catalogue ranking (all above 0), same-theme negatives (at least -0.002)",
}
LIMITS = {"backbone+table": 1.5, "mmoe-full": 0.4, "ple-full": 0.4, "gshard-full, activated": 0.75}
"""Claim 7: MoS costs at most so many times as much as these, per candidate."""


def write_report(store: Store) -> Path:
    """Write ``report.md`` and its figures into the store's folder."""
    results = Results(store)
    found = findings(results)
    figures = draw(results, found, store.root / "figures")
    lines = [
        *_head(results),
        *opening(results),
        *_claims(results, found),
        *_costs(results),
        *(f"![{name}](figures/{name}.svg)\n" for name in figures),
    ]
    for dataset in results.datasets:
        lines += _dataset(results, dataset)
    lines += deviations()
    path = store.root / "report.md"
    path.write_text("\n".join(lines) + "\n")
    return path


def _head(results: Results) -> Iterator[str]:
    records = results.store.records()
    commits = sorted({record.commit for record in records})
    versions = ", ".join(f"{name} {version}" for name, version in records[0].versions.items())
    yield "# Comparison\n"
    yield f"{len(records)} runs, commit {', '.join(commits)}; {versions}.\n"
    yield (
        "Differences are paired by user: 10,000 draws of users with all their requests, both models averaged over "
        "seeds first; 95 % intervals. Over seeds: Student's t over the seeds of training. GAUC weighs users by "
        "impressions. AUC of a sampled task is a property of its sampler: compare inside a table only.\n"
    )


def _claims(results: Results, found: Sequence[Finding]) -> Iterator[str]:
    yield "## Claims\n"
    for number, text in CLAIMS.items():
        part = [one for one in found if one.claim == number]
        if not part:
            continue
        passed = sum(one.passed for one in part)
        yield f"### {number or 'Also'}. {text}: {passed} of {len(part)} hold\n"
        seeded = number in (5, 6)
        yield "| data, backbone | what | difference [95 %] | p (Holm) | holds |" + " over seeds |" * seeded
        yield "|---|---|---|---|---|" + "---|" * seeded
        for one in part:
            p = one.difference.p if math.isnan(one.adjusted) else one.adjusted
            verdict = "yes" if one.passed else "no"
            line = f"| {one.where} | {one.what} | {interval(one.difference)} | {p:.3f} | {verdict} |"
            if seeded:
                dataset, backbone = one.where.split(" ")
                line += f" {interval(results.seed_gain(dataset, backbone, OURS, BASELINE))} |"
            yield line
        yield ""


def _costs(results: Results) -> Iterator[str]:
    yield "### 7. Cheaper than other mixtures\n"
    yield (
        "Counted operations (two per multiply-add, matrix products only) with 100 recent events, 10 short-term ones, "
        "rings of 20, 8 themes, d = 32. One candidate: the ring of its theme is read. A hundred: those of all themes.\n"
    )
    verdicts: dict[str, str] = {}
    yield "| backbone | model | parameters | one candidate, MFLOP | x baseline | a hundred, MFLOP | x baseline |"
    yield "|---|---|---|---|---|---|---|"
    for backbone in sorted({name for dataset in results.datasets for name in results.backbones(dataset)}):
        rows = costs(backbone)
        verdicts[backbone] = _limits(rows)
        for row in rows:
            one, hundred = row.one / rows[0].one, row.hundred / rows[0].hundred
            yield (
                f"| {backbone} | {row.model} | {row.parameters:,} | {row.one / 1e6:.2f} | {one:.2f} | "
                f"{row.hundred / 1e6:.2f} | {hundred:.2f} |"
            )
    yield ""
    yield from (f"- {backbone}: MoS costs {verdict}" for backbone, verdict in verdicts.items())
    yield ""


def _limits(rows: Sequence[Cost]) -> str:
    """One candidate of MoS beside those that claim 7 names."""
    one = {row.model: row.one for row in rows}
    words = []
    for name, limit in LIMITS.items():
        if name in one:
            ratio = one[OURS] / one[name]
            words.append(f"{ratio:.3f} x {name} (at most {limit}: {'yes' if ratio <= limit else 'no'})")
    return ", ".join(words)


def _dataset(results: Results, dataset: str) -> Iterator[str]:
    about = results.store.about(dataset)
    yield f"## {dataset}\n"
    yield (
        f"{about['events']:,} events, {about['users']:,} users, {about['items']:,} items; {about['train']:,} examples, "
        f"{about['validation']:,} validation and {about['test']:,} test positions; hopping before the test: "
        f"{about['hopping']}; data {about['data']}, router {about['router']}.\n"
    )
    if about["test_users"] < FEWEST_USERS:
        yield (
            f"**Few users**: the test has {about['test_users']}, one of whom has {about['largest_test_user']:.0%} of "
            f"its positions. With fewer than {FEWEST_USERS}, intervals are too narrow: they know no other users.\n"
        )
    for backbone in results.backbones(dataset):
        yield from _table(results, dataset, backbone)
        if results.has(dataset, backbone, OURS) and results.has(dataset, backbone, BASELINE):
            yield from _slices(results, dataset, backbone)


def _table(results: Results, dataset: str, backbone: str) -> Iterator[str]:
    yield f"### {dataset}, {backbone}\n"
    yield (
        "| model | seeds | AUC | GAUC | GAUC - baseline [95 %] | same theme | log loss | ECE | NDCG@10 | HR@10 "
        "| MRR@20 | parameters | s/fit | ms/request |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    order = [name for name in CANDIDATE_MODELS if results.has(dataset, backbone, name)]
    for name in order:
        gain = ""
        if name != BASELINE and results.has(dataset, backbone, BASELINE):
            gain = interval(results.gauc_gain(dataset, backbone, name, BASELINE))
        yield _row(results.group(dataset, backbone, name).row(), gain)
    for name in results.models(dataset, "counting"):
        yield _row(results.group(dataset, "counting", name).row(), "")
    yield ""


def _row(row: Row, gain: str) -> str:
    figures = (row.log_loss, row.calibration_error, row.ndcg, row.hit_rate, row.reciprocal_rank)
    shown = " | ".join("" if math.isnan(figure) else f"{figure:.4f}" for figure in figures)
    return (
        f"| {row.model} | {row.seeds} | {row.auc:.4f} | {row.gauc:.4f} | {gain} | {row.themed:.4f} | {shown} | "
        f"{row.parameters:,} | {row.seconds:.0f} | {row.milliseconds_scoring:.2f} |"
    )


def _slices(results: Results, dataset: str, backbone: str) -> Iterator[str]:
    yield f"MoS minus baseline by slice, request-wise AUC ({dataset}, {backbone}):\n"
    yield "| slice | requests | difference [95 %] |"
    yield "|---|---|---|"
    for name, chosen in slices(results.store.facts(dataset)).items():
        if chosen.sum() >= 50:
            gain = results.slice_gain(dataset, backbone, OURS, BASELINE, chosen)
            yield f"| {name} | {int(chosen.sum()):,} | {interval(gain)} |"
    yield ""
