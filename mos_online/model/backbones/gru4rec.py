"""The backbone GRU4Rec: a gated recurrent unit."""

from __future__ import annotations

from torch import Tensor, nn

from mos_online.model.backbone import Backbone, backbone, last_event


@backbone("gru4rec")
class GRU4Rec(Backbone):
    """Gated recurrent unit over the events (Hidasi et al., ICLR 2016); the state after the last event plus that event.

    The sum lets an untrained encoder already point to what goes with the last item.
    """

    def __init__(self, width: int, longest: int) -> None:
        super().__init__(width, longest)
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Encode events (B, T, d) with mask (B, T) into states (B, d)."""
        if events.shape[1] == 0:
            return events.new_zeros(events.shape[0], events.shape[2])
        states, _ = self.gru(events)
        return last_event(states + events, mask)
