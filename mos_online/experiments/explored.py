"""Answers that explored, from outcomes: what was shown of which candidates, and the lists of another ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mos_online.arrays import Ints
from mos_online.contracts import Outcome
from mos_online.errors import DatasetError
from mos_online.experiments.off_policy import Logged


class ExploredAnswers(NamedTuple):
    """Answers of one kind: lists of one length, of equally many candidates, with one epsilon.

    Attributes:
        outcomes: of the answers, in the order of ``logged``.
        logged: what was shown and clicked.
        left_out: answers of other kinds.
    """

    outcomes: list[Outcome]
    logged: Logged
    left_out: int


def is_explored(outcome: Outcome) -> bool:
    """Whether an answer could have had an explored place, and was seen."""
    return outcome.exploration is not None and outcome.trigger == "request" and outcome.shown_by != "nothing"


def explored_answers(outcomes: Iterable[Outcome]) -> ExploredAnswers:
    """The answers of the most frequent kind.

    Args:
        outcomes: of any answers; those that did not explore are left out.

    Raises:
        DatasetError: none explored.
    """
    kinds: Counter[tuple[int, int, float]] = Counter()
    found: list[tuple[tuple[int, int, float], Outcome]] = []
    for outcome in filter(is_explored, outcomes):
        if (of_answer := _kind(outcome)) is not None:
            kinds[of_answer] += 1
            found.append((of_answer, outcome))
    if not kinds:
        raise DatasetError(
            "no answer explored: start an experiment with an arm that sets `exploration`, and let `mos learn` keep "
            "what becomes of its answers"
        )
    kind = min(kinds, key=lambda one: (-kinds[one], one))
    chosen = [outcome for of_kind, outcome in found if of_kind == kind]
    users: dict[str, int] = {}
    logged = Logged(
        shown=ranks_in_pools(chosen, [[item.item_id for item in outcome.items] for outcome in chosen]),
        clicked=np.array([[float(item.clicks > 0) for item in outcome.items] for outcome in chosen]),
        users=np.array([users.setdefault(outcome.user_id, len(users)) for outcome in chosen], np.int64),
        candidates=kind[1],
        epsilon=kind[2],
    )
    return ExploredAnswers(chosen, logged, len(found) - len(chosen))


def ranks_in_pools(outcomes: Sequence[Outcome], lists: Sequence[Sequence[str]]) -> Ints:
    """Lists as ranks of their items among the candidates, (answers, k); -1 where an item was no candidate.

    Args:
        outcomes: of answers that explored.
        lists: a list for each of them; a shorter one than the answer is filled up with -1, a longer one cut.
    """
    length = len(outcomes[0].items) if outcomes else 0
    found = np.full((len(outcomes), length), -1, np.int64)
    for row, (outcome, items) in enumerate(zip(outcomes, lists, strict=True)):
        pool = outcome.exploration.pool if outcome.exploration is not None else []
        rank = {item: place for place, item in enumerate(pool)}
        for place, item in enumerate(items[:length]):
            found[row, place] = rank.get(item, -1)
    return found


def _kind(outcome: Outcome) -> tuple[int, int, float] | None:
    """Length of the list, candidates, and epsilon; None if the answer does not fit its own pool."""
    explored = outcome.exploration
    if explored is None or not 0 < len(outcome.items) < len(explored.pool):
        return None
    pool = set(explored.pool)
    if len(pool) < len(explored.pool) or any(item.item_id not in pool for item in outcome.items):
        return None
    return len(outcome.items), len(explored.pool), explored.epsilon
