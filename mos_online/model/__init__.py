"""The MoS model: backbones, experts, fusion, checkpoints."""

from mos_online.model import backbones as backbones  # registers those that are shipped
from mos_online.model.backbone import BACKBONES, Backbone, backbone
from mos_online.model.batch import Batch, History, collate
from mos_online.model.config import MoSConfig
from mos_online.model.mos import MoS
from mos_online.model.realtime import realtime_features
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.user_vectors import UserVectors

__all__ = [
    "BACKBONES",
    "Backbone",
    "Batch",
    "History",
    "MoS",
    "MoSConfig",
    "SequenceModel",
    "UserVectors",
    "backbone",
    "collate",
    "realtime_features",
]
