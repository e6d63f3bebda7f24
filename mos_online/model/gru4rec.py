"""GRU4Rec's encoder: one gated recurrent layer (Hidasi et al., ICLR 2016)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from mos_online.model.backbone import Backbone, register


@register("gru4rec")
class GRU4Rec(Backbone):
    """The last hidden state of a GRU that reads the events oldest first."""

    def __init__(self, *, dimensions: int, length: int, dropout: float) -> None:
        """A recurrence has no use for ``length``."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(dimensions, dimensions, batch_first=True)
        self.out = nn.Linear(dimensions, dimensions)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode (B, T, d) under mask (B, T) -> (B, d)."""
        if x.shape[1] == 0:
            return x.new_zeros(x.shape[0], x.shape[2])
        lengths = mask.sum(1).clamp(min=1).cpu()  # packing refuses empty rows; they are zeroed below
        packed = pack_padded_sequence(self.dropout(x), lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)
        encoded: Tensor = self.out(last[0]) * mask[:, :1]
        return encoded
