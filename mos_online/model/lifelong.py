"""The lifelong expert: a user's whole past in a state of fixed size, by linear attention that decays with the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mos_online.errors import ModelError

DAY = 86_400.0
HALF_LIVES = (DAY, 7 * DAY, 30 * DAY)
"""Seconds; one per head."""

PRIOR = 0.01
"""Weight of the zero vector in every read. It lets a head fade to zero when all that it has seen has faded; it must
stay far above what rounding leaves of events that were removed."""


class LifelongExpert(nn.Module):
    """What a query finds in all past events, each weighing less by the clock time that has passed since.

    Linear attention (Katharopoulos et al., ICML 2020, equations 5 and 7: phi(x) = elu(x) + 1) whose sums decay with the
    time between events instead of their count. For each head, with rate l = ln 2 / half-life, at the moment t:

        S(t) = sum_i exp(-l (t - t_i)) phi(k_i) v_i^T        z(t) = sum_i exp(-l (t - t_i)) phi(k_i)
        read(q) = phi(q)^T S / (phi(q)^T z + ``PRIOR``)

    The heads' reads are joined by one linear map. As sums, S and z do not depend on the order of the events, and can be
    merged and corrected: see ``LifelongState``. An event's row must therefore not change with its age: give the item's
    row, without an embedding of the age. Rates are fixed, not learned.

    >>> expert = LifelongExpert(8)
    >>> rows, ages, mask = torch.randn(2, 5, 8), torch.rand(2, 5) * DAY, torch.ones(2, 5, dtype=torch.bool)
    >>> expert(rows, ages, mask, torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 8])

    Args:
        width: d of events and queries.
        keys: features of phi per head.
        half_lives: seconds, one head each.

    Raises:
        ModelError: no half-life, or one that is not a positive number; no keys.
    """

    rates: Tensor

    def __init__(self, width: int, keys: int = 16, half_lives: Sequence[float] = HALF_LIVES) -> None:
        super().__init__()
        if not half_lives or not all(0 < half_life < math.inf for half_life in half_lives):
            raise ModelError(f"half_lives is {list(half_lives)}; allowed: one or more positive numbers of seconds")
        if keys < 1:
            raise ModelError(f"keys is {keys}; allowed: 1 or more")
        self.heads, self.keys, self.values = len(half_lives), keys, -(-width // len(half_lives))
        self.key = nn.Linear(width, self.heads * keys)
        self.query = nn.Linear(width, self.heads * keys)
        self.value = nn.Linear(width, self.heads * self.values, bias=False)
        self.join = nn.Linear(self.heads * self.values, width, bias=False)
        rates = math.log(2) / torch.tensor(half_lives, dtype=torch.float64)
        self.register_buffer("rates", rates.to(self.key.weight.dtype))

    def forward(self, events: Tensor, ages: Tensor, mask: Tensor, query: Tensor) -> Tensor:
        """Read batches from their events.

        Args:
            events: float (B, T, d), in any order; T may be 0.
            ages: float (B, T), seconds from the event to now; less than 0 counts as 0.
            mask: bool (B, T), True where there is an event.
            query: float (B, d), or (B, C, d) for C candidates.

        Returns:
            Float (B, d) or (B, C, d); zeros for a row without events.
        """
        weight = torch.exp(-ages.clamp(min=0).unsqueeze(2) * self.rates).masked_fill(~mask.unsqueeze(2), 0.0)
        keys, values = self.written(events)
        keys = keys * weight.unsqueeze(3)
        sums = torch.einsum("bthk,bthv->bhkv", keys, values)
        read = self.found(sums, keys.sum(1), query if query.dim() == 3 else query.unsqueeze(1))
        return read if query.dim() == 3 else read.squeeze(1)

    def written(self, events: Tensor) -> tuple[Tensor, Tensor]:
        """What events (..., d) add to the sums: phi(k) (..., heads, keys) and v (..., heads, values)."""
        keys = functional.elu(self.key(events)) + 1
        return keys.unflatten(-1, (self.heads, self.keys)), self.value(events).unflatten(-1, (self.heads, self.values))

    def found(self, sums: Tensor, mass: Tensor, query: Tensor) -> Tensor:
        """What queries (B, C, d) find in S (B, heads, keys, values) and z (B, heads, keys) -> (B, C, d)."""
        asked = (functional.elu(self.query(query)) + 1).unflatten(-1, (self.heads, self.keys)).to(sums.dtype)
        above = torch.einsum("bchk,bhkv->bchv", asked, sums)
        below = torch.einsum("bchk,bhk->bch", asked, mass) + PRIOR
        read: Tensor = self.join((above / below.unsqueeze(3)).flatten(2).to(query.dtype))
        return read


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class LifelongState:
    """One user's S and z, kept up to date event by event; of fixed size, whatever the number of events.

    Events may come in any order. Late events, merges of shards and removals give what a state built from exactly the
    events that remain would be, up to rounding; the sums are float64 whatever the weights are, so that what rounding
    leaves of removed events stays far below ``PRIOR``. It is for serving: no gradients.

    A state belongs to the weights that wrote it. After training on, states must be rebuilt from the log.

    >>> state = LifelongState.empty(LifelongExpert(8)).add(torch.ones(8), 1000)
    >>> state.remove(torch.ones(8), 1000).read(torch.ones(8)).abs().sum().item()
    0.0

    Attributes:
        expert: whose weights wrote it, and read it.
        sums: S, float64 (heads, keys, values); mass: z, float64 (heads, keys); both as of the moment ``as_of``.
        as_of: ms; not before the newest event.
    """

    expert: LifelongExpert
    sums: Tensor
    mass: Tensor
    as_of: int

    @classmethod
    def empty(cls, expert: LifelongExpert) -> LifelongState:
        """No events yet."""
        shape = (expert.heads, expert.keys, expert.values)
        sums = torch.zeros(shape, dtype=torch.float64, device=expert.rates.device)
        return cls(expert=expert, sums=sums, mass=sums[:, :, 0].clone(), as_of=0)

    def add(self, row: Tensor, timestamp: int) -> LifelongState:
        """With one more event: its row (d,) and time (ms), which may be older than ``as_of``."""
        return self.merge(self._only(row, timestamp))

    def remove(self, row: Tensor, timestamp: int) -> LifelongState:
        """Without an event that was added with this very row and time.

        Raises:
            ModelError: the event is newer than the state, so it is not in it.
        """
        if timestamp > self.as_of:
            raise ModelError(
                f"cannot remove an event of {timestamp}: the newest in the state is of {self.as_of} at most"
            )
        gone = self._only(row, timestamp).at(self.as_of)
        return self._with(self.sums - gone.sums, self.mass - gone.mass, self.as_of)

    def merge(self, other: LifelongState) -> LifelongState:
        """The events of both, which must not overlap.

        Raises:
            ModelError: other weights wrote the other state.
        """
        if other.expert is not self.expert:
            raise ModelError(
                "cannot merge states of different experts; rebuild one from its log with the other's expert"
            )
        now = max(self.as_of, other.as_of)
        mine, theirs = self.at(now), other.at(now)
        return self._with(mine.sums + theirs.sums, mine.mass + theirs.mass, now)

    def at(self, now: int) -> LifelongState:
        """Decayed to the moment ``now`` (ms); itself if that is not after ``as_of``, for clocks differ."""
        if now <= self.as_of:
            return self
        weight = torch.exp(-(now - self.as_of) / 1000 * self.expert.rates.double())
        return self._with(self.sums * weight[:, None, None], self.mass * weight[:, None], now)

    @torch.no_grad()
    def read(self, query: Tensor) -> Tensor:
        """What a query (d,) or queries (C, d) find as of ``as_of``: (d,) or (C, d)."""
        queries = query.reshape(1, -1, query.shape[-1])
        return self.expert.found(self.sums.unsqueeze(0), self.mass.unsqueeze(0), queries).view_as(query)

    @torch.no_grad()
    def _only(self, row: Tensor, timestamp: int) -> LifelongState:
        keys, values = (part.double() for part in self.expert.written(row))
        return self._with(keys.unsqueeze(2) * values.unsqueeze(1), keys, timestamp)

    def _with(self, sums: Tensor, mass: Tensor, as_of: int) -> LifelongState:
        return LifelongState(expert=self.expert, sums=sums, mass=mass, as_of=as_of)
