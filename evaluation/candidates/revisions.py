"""Which revisions a candidate model's runs depend on beside that of all fits."""

from __future__ import annotations

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.candidates.fitted import CANDIDATE_MODELS

COUNTING = 2
"""The revision of the models that count, which are cheap: raising it leaves the fits as they are."""

MIXING = 4
"""That of what is mixed into a fit, and learned anew during the test."""


def revisions_beside(model: str) -> tuple[int, ...]:
    """Of counting, if the model counts; of what is mixed in, if something is; else none.

    >>> revisions_beside("mos"), len(revisions_beside("mos-served")), len(revisions_beside("popularity"))
    ((), 1, 1)
    """
    if model in COUNTING_MODELS:
        return (COUNTING,)
    return (MIXING,) if model in CANDIDATE_MODELS and CANDIDATE_MODELS[model].alone else ()
