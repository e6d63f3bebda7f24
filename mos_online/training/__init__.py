"""Training as it is served: examples whose histories are what the stream would have held at that moment."""

from mos_online.training.train import TrainConfig, TrainReport, knn_half_life, to_clicks, train

__all__ = ["TrainConfig", "TrainReport", "knn_half_life", "to_clicks", "train"]
