"""Processes that fit one model together, each on a part of every step; or one process alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from torch import Tensor
from torch.nn import Parameter


class Team(Protocol):
    """What the members of a team exchange. All of them must call the same methods in the same order.

    Attributes:
        rank: number of this member, from 0.
        size: how many members there are.
    """

    rank: int
    size: int

    def first(self, say: Callable[[], Sequence[float]], count: int) -> list[float]:
        """What the first member says, the same for all, so that all decide alike; the others do not call ``say``.

        Args:
            say: returns ``count`` numbers.
            count: how many.
        """
        ...

    def add_up(self, weights: Iterable[Parameter], lost: Tensor) -> Tensor:
        """Replace the gradient of each weight by its sum over the members, and return the sum of the losses.

        Args:
            weights: of the model; a gradient that no member has stays None.
            lost: this member's part of the loss, a scalar.
        """
        ...

    def share(self, numbers: Sequence[int]) -> Sequence[int]:
        """Those of the numbers that are this member's; each number is exactly one member's."""
        return numbers[self.rank :: self.size]


class Alone(Team):
    """A team of one."""

    rank, size = 0, 1

    def first(self, say: Callable[[], Sequence[float]], count: int) -> list[float]:
        """What ``say`` returns."""
        return list(say())

    def add_up(self, weights: Iterable[Parameter], lost: Tensor) -> Tensor:
        """The loss as it is."""
        return lost


ALONE = Alone()
