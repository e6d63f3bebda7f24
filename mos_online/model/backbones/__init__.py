"""The backbones that can rank a whole catalogue; importing this package registers them."""

from mos_online.model.backbones.gru4rec import GRU4Rec
from mos_online.model.backbones.mamba4rec import Mamba4Rec
from mos_online.model.backbones.pooling import AttentivePooling
from mos_online.model.backbones.sasrec import SASRec

__all__ = ["AttentivePooling", "GRU4Rec", "Mamba4Rec", "SASRec"]
