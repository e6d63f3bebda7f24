"""The MoS model: backbones, experts, fusion, checkpoints."""

from mos_online.model.backbone import BACKBONES, backbone
from mos_online.model.batch import Batch, History, collate
from mos_online.model.mos import MoS, MoSConfig, UserVectors, live_features

__all__ = ["BACKBONES", "Batch", "History", "MoS", "MoSConfig", "UserVectors", "backbone", "collate", "live_features"]
