"""What the model, the neighbours and both kinds of popularity say, one beside the other.

``Mixing.mix`` mixes them. The weights of the mixture are learned from what each of them has said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model.co_clicks import Evidence, neighbour_chances
from mos_online.model.mixing import SOURCES, had_share
from mos_online.model.popularity import PopularNow


class Sources(NamedTuple):
    """Of B users and m candidates of each.

    Attributes:
        logs: float32 (B, 1 + SOURCES, m), log p of the model and of each source; -inf where it is 0.
        speaks: bool (B, 1 + SOURCES), whether a source says anything.
        shares: float32 (B, SOURCES), the share of a source's chances on items that the user had.
    """

    logs: Tensor
    speaks: Tensor
    shares: Tensor


def sources_of(
    scores: Tensor,
    had: Tensor,
    evidence: Evidence,
    popular: Sequence[PopularNow],
    moment: Tensor,
    slot: Tensor,
    columns: Tensor,
    unknown: Tensor | None = None,
) -> Sources:
    """Find what each says.

    Args:
        scores: float32 (B, C), the model's log p(x) up to a constant of the user; they stay as they are.
        had: bool (B, C), items that the users had; evidence: of them.
        popular: at each moment; moment: int64 (B,), that of each user.
        slot: int64 (items + 1,), the column of each item row, -1 for those that are no candidates.
        columns: int64 (B, m), what is asked for.
        unknown: bool (B, C), items that are no candidates of a user; None: all are.
    """
    known = scores if unknown is None else scores.masked_fill(unknown, -torch.inf)
    rows, near, log_chance, entries = neighbour_chances(evidence, slot, scores.shape[1], unknown)
    of_near = torch.full_like(scores, -torch.inf).index_put((rows, near), log_chance)
    logs = [known.gather(1, columns) - known.logsumexp(1, keepdim=True), of_near.gather(1, columns)]
    speaks = torch.ones(len(scores), 1 + SOURCES, dtype=torch.bool, device=scores.device)
    speaks[:, 1] = False
    speaks[rows, 1] = True
    shares = [had_share(evidence, rows, entries, had[rows, near])]
    places = evidence.places
    view = len(Place) * moment + places  # what is popular at the moment of each user, and at the place
    for rate in range(SOURCES - 1):
        whole = torch.full((len(Place) * len(popular), scores.shape[1]), -torch.inf, device=scores.device)
        share = torch.zeros(len(scores), device=scores.device)
        for number, now in enumerate(popular):
            begin = len(Place) * number
            whole[begin : begin + len(Place), now.columns] = now.logs[:, rate]
            users = (moment == number).nonzero()
            chances = now.chances[places[users.squeeze(1)], rate]
            share[users.squeeze(1)] = (had[users, now.columns] * chances).sum(1)
        logs.append(whole[view.unsqueeze(1), columns])
        speaks[:, 2 + rate] = whole.isfinite().any(1)[view]
        shares.append(share)
    return Sources(torch.stack(logs, 1), speaks, torch.stack(shares, 1))
