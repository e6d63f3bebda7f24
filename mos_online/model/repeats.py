"""What it means for the next click that a user had an item before."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.config import AGE_BUCKETS

FASTER = 10.0
"""Scale of the biases. Adam moves a number by about its rate in a step, and a fit may have no more than some hundred
steps. Where nobody takes an item twice, the bias has to come down by five or more."""


class RepeatBias(nn.Module):
    """A learned bias for an item of an earlier event, by the age of the event."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(AGE_BUCKETS, 1))

    def forward(self, ages: Tensor) -> Tensor:
        """What events of so many seconds ago (...,) add to the scores of their items, (...,)."""
        return FASTER * F.embedding(age_bucket(ages), self.weight).squeeze(-1)


def age_bucket(seconds: Tensor) -> Tensor:
    """Logarithmic bucket 0..AGE_BUCKETS-1 of a time span in seconds; 0 is under 10 s, 15 is two months and more.

    >>> age_bucket(torch.tensor([0.0, 10.0, 1800.0, 86400.0, 1e9])).tolist()
    [0, 0, 6, 10, 15]
    """
    return (torch.log(seconds.clamp(min=1) / 4) / math.log(2.6)).clamp(0, AGE_BUCKETS - 1).long()
