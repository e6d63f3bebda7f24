"""Which revisions a candidate model's runs depend on beside that of all fits."""

from __future__ import annotations

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.results.provenance import COUNTING, MIXING


def revisions_beside(model: str) -> tuple[int, ...]:
    """Of counting, if the model counts; of what is mixed in, if something is; else none.

    >>> revisions_beside("mos"), len(revisions_beside("mos-served")), len(revisions_beside("popularity"))
    ((), 1, 1)
    """
    if model in COUNTING_MODELS:
        return (COUNTING,)
    return (MIXING,) if model in CANDIDATE_MODELS and CANDIDATE_MODELS[model].alone else ()
