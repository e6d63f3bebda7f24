"""How far two ways of grouping the same things agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mos_online.errors import DatasetError


def mutual_information(a: ArrayLike, b: ArrayLike) -> float:
    """Normalised mutual information of two labelings (n,): 2 I(a; b) / (H(a) + H(b)); Strehl & Ghosh, JMLR 2002.

    1 for equal partitions whatever their names, about 0 for independent ones; 1 if both have one group only.

    Raises:
        DatasetError: not of equal length, or empty.

    >>> mutual_information([1, 1, 2, 2], ["x", "x", "y", "y"]), mutual_information([1, 1, 2, 2], [1, 2, 1, 2])
    (1.0, 0.0)
    """
    one, other = np.asarray(a), np.asarray(b)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise DatasetError(f"labels of shapes {one.shape} and {other.shape}: give two of one length, at least 1")
    x, y = (np.unique(labels, return_inverse=True)[1] for labels in (one, other))
    joint = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(joint, (x, y), 1)
    joint /= len(x)  # counts first: shares that are added up are not exactly 1 where all have one group
    px, py, kept = joint.sum(1), joint.sum(0), joint > 0
    information = float((joint[kept] * np.log(joint[kept] / np.outer(px, py)[kept])).sum())
    entropy = -float((px * np.log(px)).sum() + (py * np.log(py)).sum())
    return 2 * information / entropy if joint.size > 1 else 1.0
