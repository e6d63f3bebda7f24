"""What a reader sees first says who ranks better than MoS, plain popularity included."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evaluation.protocol.scores import Run, Scores
from evaluation.report.opening import COLUMNS, opening
from evaluation.results.measures import Results
from evaluation.results.store import RunKey, Store
from evaluation.static.plan import BASELINE, OURS, REFERENCE, SERVED

USERS, EACH = 20, 4
N = USERS * EACH


def write(store: Store, dataset: str, backbone: str, model: str, rank: int, seed: int = 0) -> None:
    logits = np.zeros((N, 5), np.float32)
    scores = Scores(logits=logits, themed=logits, ranks=np.full(N, rank, np.int32))
    run = Run(
        scores=scores,
        validation=0.5,
        rate=0.1,
        alike=True,
        passes=1,
        seconds=1.0,
        seconds_scoring=1.0,
        parameters=1,
    )
    store.write_run(RunKey(dataset, backbone, model, seed), "p", run)


def stored(folder: Path, ranks: dict[str, dict[str, int]]) -> Results:
    """Rank of every target by log and column; MoS has rank 3 everywhere."""
    store = Store(folder)
    for dataset, by_name in ranks.items():
        store.write_facts(dataset, {"test": N, "test_users": USERS}, {"user": np.repeat(np.arange(USERS), EACH)})
        write(store, dataset, REFERENCE, OURS, 3)
        for column in COLUMNS:
            if column.name in by_name:
                write(store, dataset, column.backbone, column.model, by_name[column.name])
    return Results(store)


def test_each_method_is_named_with_the_logs_where_it_ranks_better(tmp_path: Path) -> None:
    names = [column.name for column in COLUMNS]
    results = stored(tmp_path, {"one": dict.fromkeys(names, 5) | {"popularity": 1}, "two": dict.fromkeys(names, 5)})
    text = "\n".join(opening(results))
    assert "- popularity ranks better than MoS on 1 of 2 logs: one." in text
    assert "- vmis-knn ranks better than MoS on 0 of 2 logs." in text
    assert "| one | 80 | 20 | 1 | 1.0000 | 0.3869 | 0.3869 | 0.3869 | 0.3869 | 0.5000 |  |" in text
    assert text.index("NDCG@10") < text.index("GAUC"), "ranking comes first"


def test_what_mos_adds_is_shown_over_seeds_once_there_are_several(tmp_path: Path) -> None:
    results = stored(tmp_path, {"one": {REFERENCE: 5}, "two": {REFERENCE: 5}})
    assert "over seeds" not in "\n".join(opening(results))
    for model, rank in ((OURS, 1), (BASELINE, 5)):
        write(results.store, "one", REFERENCE, model, rank, seed=1)
    text = "\n".join(opening(Results(results.store)))
    assert "| one | +0.3631 [-2.8134, +3.5397] | +0.0000 [+0.0000, +0.0000] |" in text, "gains .1131 and .6131"
    assert "| two | +0.1131" not in text[text.index("over seeds") :]


def test_a_cell_that_was_not_run_is_empty_and_counts_for_nobody(tmp_path: Path) -> None:
    text = "\n".join(opening(stored(tmp_path, {"one": {"popularity": 5}})))
    assert "| one | 80 | 20 | 1 | 0.3869 |  |  |  |  | 0.5000 |  |" in text
    assert "- item-knn ranks better than MoS on 0 of 0 logs." in text


def test_mos_as_it_is_served_has_a_column_and_a_table_of_its_own(tmp_path: Path) -> None:
    results = stored(tmp_path, {"one": {"popularity": 2}, "two": {"popularity": 2}})
    write(results.store, "one", REFERENCE, SERVED, 1)
    text = "\n".join(opening(Results(results.store)))
    assert "| one | 80 | 20 | 1 | 0.6309 |  |  |  |  | 0.5000 | 1.0000 |" in text
    assert "- popularity ranks better than MoS on 2 of 2 logs: one, two." in text
    assert "- popularity ranks better than MoS as served on 0 of 1 logs." in text


def test_nothing_is_said_before_mos_was_run(tmp_path: Path) -> None:
    assert list(opening(Results(Store(tmp_path)))) == []
