"""Learns which theme comes next, as a bias per theme that all of its items share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.backbone import at_place
from mos_online.model.batch import Batch

FACTS = 7
"""How many facts describe a theme of a user, see ``theme_facts``."""

RECENT_FACTS = 3
"""The first so many facts of a theme come from the recent events, the others from its ring."""


class ThemePrior(nn.Module):
    """log p(theme | user) up to a constant: an MLP of what the user did in the theme, plus <P g, name of the theme>.

    With it a score is log p(theme | user) + log p(item | theme, user), and the experts need to learn the second part
    only. It starts at zero.
    """

    def __init__(self, width: int) -> None:
        """Build an untrained prior.

        Args:
            width: d, the length of the users' states and the themes' embeddings.
        """
        super().__init__()
        self.hidden, self.out = nn.Linear(FACTS, 16), nn.Linear(16, 1)
        self.state = nn.Linear(width, width, bias=False)
        for part in (self.out.weight, self.out.bias, self.state.weight):
            nn.init.zeros_(part)

    def forward(self, facts: Tensor, state: Tensor, names: Tensor) -> Tensor:
        """Compute the biases of all themes.

        Args:
            facts: float32 (B, K + 1, FACTS), from ``theme_facts``.
            state: float32 (B, d), or (B, C, d) where it depends on the candidate: g.
            names: float32 (K + 1, d), embeddings of the themes.

        Returns:
            float32 (B, K + 1), or (B, C, K + 1).
        """
        known = self.out(F.gelu(self.hidden(facts))).squeeze(-1)
        if state.dim() == 3:
            known = known.unsqueeze(1)
        bias: Tensor = known + self.state(state) @ names.T
        return bias


def theme_facts(batch: Batch, item_theme: Tensor, *, themes: int, short: int) -> Tensor:
    """Describe what the users did in each theme, float32 (B, themes + 1, FACTS).

    The facts are the theme's share of the recent events, of the last few and of the last one, which count the open
    session too; whether its ring holds anything, how many events, and how old the newest is; and its share of the
    routed sessions.

    Args:
        batch: B users.
        item_theme: int64 (items + 1,), theme of each item row.
        themes: K.
        short: how many events are the last few.
    """
    facts = batch.ages.new_zeros(len(batch.items), themes + 1, FACTS)
    theme = item_theme[batch.items]
    count = batch.mask.sum(1, keepdim=True)
    at = torch.arange(theme.shape[1], device=theme.device)
    for column, last in enumerate((theme.shape[1], short, 1)):
        read = (batch.mask & (at >= count - last)).float()
        facts[:, :, column].scatter_add_(1, theme, read / read.sum(1, keepdim=True).clamp(min=1))
    if len(batch.ring_user):
        held = batch.ring_mask.sum(1)
        newest = at_place(batch.ring_ages, (held - 1).clamp(min=0))
        sessions = facts.new_zeros(len(facts)).index_add(0, batch.ring_user, batch.ring_sessions)
        share = batch.ring_sessions / sessions[batch.ring_user].clamp(min=1)
        columns = (torch.ones_like(share), torch.log1p(held.float()) / 3, torch.log1p(newest) / 10, share)
        facts[batch.ring_user, batch.ring_theme, 3:] = torch.stack(columns, 1)
    return facts
