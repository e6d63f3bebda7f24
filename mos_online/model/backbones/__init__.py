"""The backbones that are shipped; importing this package registers them."""

from mos_online.model.backbones.din import DIN
from mos_online.model.backbones.gru4rec import GRU4Rec
from mos_online.model.backbones.mamba4rec import Mamba4Rec
from mos_online.model.backbones.pooling import AttentivePooling
from mos_online.model.backbones.sasrec import SASRec
from mos_online.model.backbones.sdim import SDIM
from mos_online.model.backbones.twin import TWIN

__all__ = ["DIN", "SDIM", "TWIN", "AttentivePooling", "GRU4Rec", "Mamba4Rec", "SASRec"]
