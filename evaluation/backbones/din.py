"""DIN."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.model.backbone import Backbone, backbone, candidates_of, pooled


@backbone("din")
class DIN(Backbone):
    """Deep interest network (Zhou et al., KDD 2018): events pooled by weights that an activation unit gives them.

    The unit is an MLP of event and candidate, [e, t, e * t] (e - t is in its reach, being linear in both), whose first
    layer is split so that nothing larger than (B, C, hidden, max(T, d)) is built. Two things are not the paper's. The
    weights are a softmax over the events: left unnormalised, to tell how strong an interest is, they would make scores,
    which are products here, grow with the length of the history. And the scaled product of event and candidate is added
    to what the unit says, so that an untrained one already looks for what is like the candidate.
    """

    target_aware = True

    def __init__(self, width: int, longest: int, hidden: int = 16) -> None:
        super().__init__(width, longest)
        self.of_event = nn.Linear(width, hidden)
        self.of_target = nn.Linear(width, hidden, bias=False)
        self.of_both = nn.Linear(width, hidden, bias=False)
        self.out = nn.Linear(hidden, 1, bias=False)
        self.sharpness = width**-0.5

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the user's state for each candidate: events (B, T, d), mask (B, T), target (B, C, d) -> (B, C, d)."""
        target = candidates_of(target, "DIN")
        by_event = events.transpose(1, 2)
        # Candidates first: weights times events times candidates would pass through (B, C, T, d).
        asked = target.unsqueeze(2) * self.of_both.weight
        both = (asked.flatten(1, 2) @ by_event).unflatten(1, asked.shape[1:3])
        hidden = both + self.of_event(events).transpose(1, 2).unsqueeze(1) + self.of_target(target).unsqueeze(3)
        logits = (self.out.weight @ F.gelu(hidden)).squeeze(2) + self.sharpness * target @ by_event
        return pooled(logits, events, mask)
