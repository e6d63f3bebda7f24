"""What the neighbours of a user's last items say of the next click."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model.batch import Batch
from mos_online.model.neighbours import MOMENT, Neighbours

ASKED = 10
"""The neighbours of so many last items of a user are asked, at most."""

FACTS = 6
"""What a mixture depends on: a constant, co-clicks of the items asked, the chance that a neighbour is next at all, the
events of the history, the time since the last of them, and whether a session begins."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the neighbours of B users' last items say.

    Attributes:
        rows: int64 (n,), the user of each neighbour.
        items: int64 (n,), the neighbour; one that several items have comes several times.
        asked: int64 (n,), the item whose neighbour it is.
        chances: float32 (n,); those of a user add up to less than 1.
        facts: float32 (B, FACTS), see there.
        places: int64 (B,), the ``Place`` whose popularity counts for each user.
    """

    rows: Tensor
    items: Tensor
    asked: Tensor
    chances: Tensor
    facts: Tensor
    places: Tensor

    def of(self, users: Tensor) -> Evidence:
        """That of some of the users; ``users``: int64 (b,), their rows, none twice."""
        place = torch.full((len(self.facts),), -1).index_put((users,), torch.arange(len(users)))
        kept = place[self.rows] >= 0
        return Evidence(
            rows=place[self.rows[kept]],
            items=self.items[kept],
            asked=self.asked[kept],
            chances=self.chances[kept],
            facts=self.facts[users],
            places=self.places[users],
        )


def evidence_of(batch: Batch, places: Tensor, neighbours: Neighbours, moment: Tensor | None = None) -> Evidence:
    """Ask for the neighbours of each user's last items.

    Args:
        batch: B users.
        places: int64 (B,), where they are, see ``Mixing.places``.
        neighbours: of one moment, or those of several, joined.
        moment: int64 (B,), the moment of each user; None if there is only one.
    """
    items, weights = _last_items(batch)
    keys = items if moment is None else items + moment.unsqueeze(1) * MOMENT
    place = torch.searchsorted(neighbours.owners, keys).clamp(max=max(len(neighbours.owners) - 1, 0))
    has = weights > 0 if len(neighbours.owners) else torch.zeros_like(items, dtype=torch.bool)
    if len(neighbours.owners):
        has = has & (neighbours.owners[place] == keys)
    user, back = has.nonzero(as_tuple=True)
    place, weight = place[user, back], weights[user, back]
    begin, count = neighbours.starts[place], neighbours.starts[place + 1] - neighbours.starts[place]
    edge = torch.repeat_interleave(count)
    at = torch.arange(len(edge), device=edge.device) + (begin - count.cumsum(0) + count)[edge]
    rows, chances = user[edge], weight[edge] * neighbours.chances[at]
    support = torch.zeros(len(items), device=items.device).index_add(0, user, weight * neighbours.support[place])
    mass = torch.zeros(len(items), device=items.device).index_add(0, rows, chances)
    facts = [
        torch.ones_like(mass),
        torch.log1p(support) / 4,
        mass,
        torch.log1p(batch.mask.sum(1).float()) / 4,
        torch.log1p(batch.newest_age) / 10,
        (places != Place.INSIDE).to(mass.dtype),
    ]
    return Evidence(
        rows=rows,
        items=neighbours.items[at],
        asked=items[user, back][edge],
        chances=chances,
        facts=torch.stack(facts, 1),
        places=places,
    )


def _last_items(batch: Batch) -> tuple[Tensor, Tensor]:
    """The last ``ASKED`` events of each user, newest first, int64 (B, n), and their weights, which add up to 1.

    The k-th last item weighs 1 / k^2: the next click goes with the last one above all. An item that came again later
    weighs nothing, as does no event.
    """
    back = torch.arange(min(ASKED, batch.items.shape[1]), device=batch.items.device)
    at = batch.mask.sum(1, keepdim=True) - 1 - back
    items = batch.items.gather(1, at.clamp(min=0))
    again = ((items.unsqueeze(2) == items.unsqueeze(1)) & (back < back.unsqueeze(1))).any(2)
    counts = (at >= 0) & (items > 0) & ~again
    weights = counts / counts.cumsum(1).clamp(min=1).square()
    return items, weights / weights.sum(1, keepdim=True).clamp(min=1e-9)


def neighbour_chances(
    evidence: Evidence, slot: Tensor, columns: int, unknown: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log p_neighbours(x) of each neighbour that is a candidate.

    Args:
        evidence: of B users.
        slot: int64 (items + 1,), the column of each item row, -1 for those that are no candidates.
        columns: C.
        unknown: bool (B, C), items that are no candidates of a user; None: all are.

    Returns:
        User and column, int64 (m,), and the logarithm float32 (m,), the same for all entries of one column; and which
        of the entries of ``evidence`` they are, int64 (m,).
    """
    column = slot[evidence.items]
    kept = column >= 0
    if unknown is not None:
        kept &= ~unknown[evidence.rows, column.clamp(min=0)]
    entries = kept.nonzero().squeeze(1)
    rows, column, chances = evidence.rows[entries], column[entries], evidence.chances[entries]
    users = len(evidence.facts)
    whole = torch.zeros(users * columns, device=chances.device).index_add(0, rows * columns + column, chances)
    total = torch.zeros(users, device=chances.device).index_add(0, rows, chances)
    return rows, column, (whole[rows * columns + column] / total[rows]).log(), entries
