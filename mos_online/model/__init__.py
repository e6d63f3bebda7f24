"""MoS, Mixture of Sequence: backbones, experts, fusion and checkpoints."""

from mos_online.model.backbone import Backbone, backbones, make_backbone, register
from mos_online.model.config import MosConfig
from mos_online.model.gru4rec import GRU4Rec
from mos_online.model.histories import Histories
from mos_online.model.live import Activity, live_features
from mos_online.model.mos import MoS, Users, score
from mos_online.model.sasrec import SASRec

__all__ = [
    "Activity",
    "Backbone",
    "GRU4Rec",
    "Histories",
    "MoS",
    "MosConfig",
    "SASRec",
    "Users",
    "backbones",
    "live_features",
    "make_backbone",
    "register",
    "score",
]
