"""Training as it is served: examples whose histories are what the stream would have held at that moment."""

from mos_online.training.config import TrainConfig
from mos_online.training.report import TrainReport
from mos_online.training.train import train

__all__ = ["TrainConfig", "TrainReport", "train"]
