"""The claims about MoS, each with its rule, and what the runs say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from evaluation.hopping.verdict import PRESENT
from evaluation.results.measures import Results
from evaluation.results.slices import INSIDE, RETURNING
from evaluation.static.plan import BASELINE, FRESH, OURS, REFERENCE
from mos_online.metrics.bootstrap import Comparison, holm, paired_bootstrap, slope_interval

HARM = -0.002
"""The lower end of the interval of a harmless loss in GAUC."""

TESTED = (4, 6)
"""Claims that need significance after correction."""

RANKED = ("backbone+table", "vmis-knn", "item-knn", "popularity")
"""Beside whom whole-catalogue ranking is reported."""

OTHERS = ("comirec", "dsin", "hrnn", "long", "mos-residual", "mos-recurrent", "mos-contrastive")
"""Rivals and ways to build MoS that no claim speaks of."""

MATCHED = ("mmoe", "ple", "gshard", "dselect-k", "expert-choice")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison says about a claim.

    Attributes:
        claim: its number in docs/results.md.
        what: in words; where: dataset and backbone.
        difference: with its 95 % interval and raw p value.
        adjusted: p after Holm's correction over the findings of the claim, nan where the rule needs no p.
        passed: by the claim's rule.
    """

    claim: int
    what: str
    where: str
    difference: Comparison
    adjusted: float = math.nan
    passed: bool


def findings(results: Results) -> list[Finding]:
    """All comparisons that the runs allow, by claim."""
    made = [
        *_planted_hops(results),
        *_where_the_gain_sits(results),
        *_routing_not_capacity(results),
        *_no_harm_and_help(results),
        *_longer_is_better(results),
        *_others(results),
        *_fresh(results),
        *_same_theme(results),
        *_ranking(results),
    ]
    return [
        *_corrected([one for one in made if one.claim in TESTED]),
        *(one for one in made if one.claim not in TESTED),
    ]


def _corrected(made: list[Finding]) -> Iterator[Finding]:
    """Holm's correction inside each claim; a gain passes if it is significant after it."""
    for claim in sorted({one.claim for one in made}):
        family = {f"{one.what} {one.where}": one for one in made if one.claim == claim}
        tested = {name: one.difference.p for name, one in family.items() if not math.isnan(one.difference.p)}
        adjusted = holm(tested)
        for name, one in family.items():
            p = adjusted.get(name, math.nan)
            yield msgspec.structs.replace(one, adjusted=p, passed=one.difference.mean > 0 and p <= 0.05)


def _pairs(results: Results) -> Iterator[tuple[str, str]]:
    """Datasets and backbones on which MoS met its baseline."""
    for dataset in results.datasets:
        for backbone in results.backbones(dataset):
            if results.has(dataset, backbone, OURS) and results.has(dataset, backbone, BASELINE):
                yield dataset, backbone


def _planted_hops(results: Results) -> Iterator[Finding]:
    """Claim 2: the gain grows with hopping, over planted hop rates and over users of real logs."""
    gains, hops, users = [], [], []
    for dataset, backbone in _pairs(results):
        name, _, settings = dataset.partition(":")
        if name == "synthetic" and settings.startswith("hop=") and "," not in settings and backbone == REFERENCE:
            gain, _, who = results.request_gains(dataset, backbone, OURS, BASELINE)
            gains.append(gain)
            hops.append(np.full(len(gain), float(settings.removeprefix("hop="))))
            users.append([f"{dataset} {user}" for user in who])
    if len(gains) > 1:
        slope = slope_interval(np.concatenate(gains), np.concatenate(hops), np.concatenate(users))
        what = "gain per unit of hop rate, over planted rates"
        yield Finding(claim=2, what=what, where=f"synthetic {REFERENCE}", difference=slope, passed=slope.low > 0)
    for dataset, backbone in _pairs(results):
        rate = results.store.facts(dataset)["hop_rate"].astype(np.float64)
        slope = results.slope(dataset, backbone, OURS, BASELINE, rate)
        what = "gain per unit of the user's own hop rate"
        yield Finding(claim=2, what=what, where=f"{dataset} {backbone}", difference=slope, passed=slope.low > 0)


def _where_the_gain_sits(results: Results) -> Iterator[Finding]:
    """Claim 3: more at the first event of a returning theme than inside sessions."""
    for dataset, backbone in _pairs(results):
        kind = results.store.facts(dataset)["kind"]
        if min((kind == RETURNING).sum(), (kind == INSIDE).sum()) < 50:
            continue
        gains, kept, users = results.request_gains(dataset, backbone, OURS, BASELINE)
        both = np.isin(kind[kept], (INSIDE, RETURNING))
        extra = slope_interval(gains[both], (kind[kept][both] == RETURNING).astype(np.float64), users[both])
        what = "gain at a returning theme minus gain inside sessions"
        yield Finding(claim=3, what=what, where=f"{dataset} {backbone}", difference=extra, passed=extra.low > 0)


def _routing_not_capacity(results: Results) -> Iterator[Finding]:
    """Claim 4: above random routing and above mixtures of as many parameters."""
    for dataset, backbone in _pairs(results):
        for rival in ("mos-random", *MATCHED, "wide"):
            if results.has(dataset, backbone, rival):
                gain = results.gauc_gain(dataset, backbone, OURS, rival)
                yield Finding(
                    claim=4, what=f"GAUC above {rival}", where=f"{dataset} {backbone}", difference=gain, passed=False
                )


def _no_harm_and_help(results: Results) -> Iterator[Finding]:
    """Claims 5 and 6: no harm anywhere; a gain over the baseline where the hopping measure saw structure beforehand."""
    for dataset, backbone in _pairs(results):
        gain = results.gauc_gain(dataset, backbone, OURS, BASELINE)
        where, word = f"{dataset} {backbone}", results.store.about(dataset)["hopping"]
        what = f"GAUC above baseline; hopping: {word}"
        yield Finding(claim=5, what=what, where=where, difference=gain, passed=gain.low >= HARM)
        if word == PRESENT:
            yield Finding(claim=6, what="GAUC above baseline", where=where, difference=gain, passed=False)


def _longer_is_better(results: Results) -> Iterator[Finding]:
    """Claim 8: the gain grows with the history."""
    for dataset, backbone in _pairs(results):
        length = np.log2(results.store.facts(dataset)["history"].astype(np.float64))
        slope = results.slope(dataset, backbone, OURS, BASELINE, length)
        what = "gain per doubling of the history"
        yield Finding(claim=8, what=what, where=f"{dataset} {backbone}", difference=slope, passed=slope.low > 0)


def _others(results: Results) -> Iterator[Finding]:
    """Not among the claims: interests, sessions, more events, other fusion, experts and routing."""
    for dataset, backbone in _pairs(results):
        for rival in OTHERS:
            if results.has(dataset, backbone, rival):
                gain = results.gauc_gain(dataset, backbone, OURS, rival)
                where = f"{dataset} {backbone}"
                yield Finding(claim=0, what=f"GAUC above {rival}", where=where, difference=gain, passed=gain.low > 0)


def _fresh(results: Results) -> Iterator[Finding]:
    """Not among the claims: a router that has seen the training examples, for MoS and for its baseline."""
    baseline, ours = FRESH
    for dataset in results.datasets:
        for backbone in results.backbones(dataset):
            for above, below in ((ours, baseline), (ours, OURS), (baseline, BASELINE)):
                if results.has(dataset, backbone, above) and results.has(dataset, backbone, below):
                    gain = results.gauc_gain(dataset, backbone, above, below)
                    what, where = f"GAUC of {above} above {below}", f"{dataset} {backbone}"
                    yield Finding(claim=0, what=what, where=where, difference=gain, passed=gain.low > 0)


def _same_theme(results: Results) -> Iterator[Finding]:
    """Not among the claims, but known as a weakness: negatives of the target's own theme."""
    for dataset, backbone in _pairs(results):
        gains, _, users = results.request_gains(dataset, backbone, OURS, BASELINE, themed=True)
        gain = paired_bootstrap(gains, np.zeros(len(gains)), users)
        what = "request-wise AUC above baseline, same-theme negatives"
        yield Finding(claim=0, what=what, where=f"{dataset} {backbone}", difference=gain, passed=gain.low >= HARM)


def _ranking(results: Results) -> Iterator[Finding]:
    """Not among the claims either: ranking the whole catalogue, beside the baseline and those who only count."""
    for dataset, backbone in _pairs(results):
        for rival in RANKED:
            other = backbone if results.has(dataset, backbone, rival) else "counting"
            if not results.has(dataset, other, rival) or not results.group(dataset, backbone, OURS).ranks_catalogue:
                continue
            gain = results.ndcg_gain(dataset, backbone, OURS, rival, other)
            where = f"{dataset} {backbone}"
            yield Finding(claim=0, what=f"NDCG@10 above {rival}", where=where, difference=gain, passed=gain.low > 0)
