"""From known scores to known differences, and the rules of the claims."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from evaluation.hopping.verdict import MISSING, PRESENT
from evaluation.protocol.scores import Run, Scores
from evaluation.report.claims import findings
from evaluation.results.measures import Results
from evaluation.results.slices import INSIDE, RETURNING, slices
from evaluation.results.store import RunKey, Store

USERS, EACH = 40, 6
N = USERS * EACH


def facts() -> dict[str, np.ndarray]:
    user = np.repeat(np.arange(USERS), EACH)
    place = np.tile(np.arange(EACH), USERS)
    return {
        "user": user,
        "history": 5 + 10 * place,
        "hop_rate": (user / USERS).astype(np.float32),
        "kind": np.where(place % 2, RETURNING, INSIDE).astype(np.int8),
        "cold": place == 0,
        "time": np.arange(N),
    }


def scores(beaten: np.ndarray, rank: int = 3) -> Scores:
    """The target at 0 beats the first ``beaten`` of four negatives."""
    logits = np.zeros((N, 5), np.float32)
    logits[:, 1:] = np.where(np.arange(4) < beaten[:, None], -1, 1)
    return Scores(logits=logits, themed=logits, ranks=np.full(N, rank, np.int32))


def write(store: Store, model: str, seed: int, scored: Scores, dataset: str = "log") -> None:
    run = Run(
        scores=scored,
        validation=0.5,
        rate=0.1,
        alike=True,
        passes=1,
        seconds=2.0,
        seconds_scoring=N / 1000,
        parameters=7,
    )
    backbone = "counting" if model == "popularity" else "gru4rec"
    store.write_run(RunKey(dataset, backbone, model, seed), "p", run)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.write_facts("log", {"hopping": PRESENT}, facts())
    for seed in range(2):
        write(made, "backbone+table", seed, scores(np.full(N, 2), rank=5))
    return made


def test_a_table_row_by_hand(store: Store) -> None:
    row = Results(store).group("log", "gru4rec", "backbone+table").row()
    assert (row.auc, row.gauc, row.themed) == (0.5, 0.5, 0.5)
    assert row.ndcg == pytest.approx(1 / math.log2(6))
    assert (row.hit_rate, row.reciprocal_rank) == pytest.approx((1.0, 0.2))
    assert row.milliseconds_scoring == pytest.approx(1.0)
    assert row.seeds == 2


def test_differences_are_paired_and_averaged_over_seeds(store: Store) -> None:
    for seed, beaten in enumerate((3, 4)):
        write(store, "mos", seed, scores(np.full(N, beaten)))
    results = Results(store)
    gain = results.gauc_gain("log", "gru4rec", "mos", "backbone+table")
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.375, 0.375, 0.375))
    seeded = results.seed_gain("log", "gru4rec", "mos", "backbone+table")
    assert seeded.mean == pytest.approx(0.375)
    assert seeded.low == pytest.approx(0.375 - 12.706 * 0.125, abs=1e-3)
    ranked = results.ndcg_gain("log", "gru4rec", "mos", "backbone+table", "gru4rec")
    assert ranked.mean == pytest.approx(0.5 - 1 / math.log2(6))


def test_requests_without_all_negatives_do_not_count(store: Store) -> None:
    whole, part = scores(np.full(N, 4)), scores(np.full(N, 2))
    for one in (whole, part):
        one.logits[: N // 2, 4] = np.nan
    write(store, "mos", 0, whole)
    write(store, "backbone+table", 0, part)
    write(store, "backbone+table", 1, part)
    gains, kept, users = Results(store).request_gains("log", "gru4rec", "mos", "backbone+table")
    assert kept.tolist() == [False] * (N // 2) + [True] * (N // 2)
    assert np.allclose(gains, 0.5)
    assert users.tolist() == facts()["user"][N // 2 :].tolist()


def test_slices_and_slopes_find_where_the_gain_sits(store: Store) -> None:
    about = facts()
    hops = 2 + (about["hop_rate"] > 0.5) + (about["kind"] == RETURNING)
    for seed in range(2):
        write(store, "mos", seed, scores(hops))
    results = Results(store)
    slope = results.slope("log", "gru4rec", "mos", "backbone+table", about["hop_rate"].astype(np.float64))
    assert slope.low > 0.2
    batches = slices(about)
    assert batches["history 5-9"].sum() == USERS
    assert batches["history 50 and more"].sum() == USERS
    inside = results.slice_gain("log", "gru4rec", "mos", "backbone+table", batches["inside a session"])
    returning = results.slice_gain("log", "gru4rec", "mos", "backbone+table", batches["first of a returning theme"])
    assert returning.mean - inside.mean == pytest.approx(0.25)
    found = {(one.claim, one.where): one for one in findings(results)}
    assert found[2, "log gru4rec"].passed
    assert found[3, "log gru4rec"].passed
    assert found[3, "log gru4rec"].difference.mean == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("worse", "harmless"),
    [(0, True), (1, True), (N // 4, False)],
    ids=["equal", "hardly worse", "worse"],
)
def test_harm_is_judged_by_the_lower_end(store: Store, worse: int, harmless: bool) -> None:
    beaten = np.full(N, 2)
    beaten[:worse] -= 1
    for seed in range(2):
        write(store, "mos", seed, scores(beaten))
    found = {one.claim: one for one in findings(Results(store)) if one.what.startswith("GAUC")}
    low = found[5].difference.low
    assert found[5].passed == (low >= -0.002)
    if worse != 1:
        assert found[5].passed is harmless
    assert not found[6].passed


def test_a_gain_counts_only_where_it_was_foretold_and_survives_correction(store: Store) -> None:
    rng = np.random.default_rng(0)
    for name, shift in (("mos", 1), ("mos-random", 0), ("wide", 1)):
        for seed in range(2):
            write(store, name, seed, scores(np.clip(2 + shift + rng.integers(-1, 2, N), 0, 4)))
    store.write_facts("other", {"hopping": MISSING}, facts())
    for seed in range(2):
        write(store, "backbone+table", seed, scores(np.full(N, 2)), "other")
        write(store, "mos", seed, scores(np.full(N, 4)), "other")
    found = findings(Results(store))
    sixth = [one for one in found if one.claim == 6]
    assert [one.where for one in sixth] == ["log gru4rec"]
    assert sixth[0].passed
    fourth = {one.what: one for one in found if one.claim == 4}
    assert fourth["GAUC above mos-random"].passed
    assert not fourth["GAUC above wide"].passed
    for one in fourth.values():
        assert one.adjusted >= one.difference.p or one.adjusted == 1.0


def test_those_who_only_count_are_ranked_beside(store: Store) -> None:
    write(store, "mos", 0, scores(np.full(N, 2), rank=1))
    write(store, "popularity", 0, scores(np.full(N, 2), rank=0))
    found = [one for one in findings(Results(store)) if one.what == "NDCG@10 above popularity"]
    assert found[0].difference.mean == pytest.approx(1.0)
    assert found[0].passed
