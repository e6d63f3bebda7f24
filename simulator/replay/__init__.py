"""Publishing a log as clicks: at a chosen speed, with faults if wanted, and never faster than its readers read."""

from simulator.replay.clicks_topic import ClicksTopic
from simulator.replay.config import ReplayConfig
from simulator.replay.freshness import FreshnessGuard
from simulator.replay.group_offsets import lag_guard
from simulator.replay.replay import Progress, Replay, WallClock
from simulator.replay.speed import Speed

__all__ = ["ClicksTopic", "FreshnessGuard", "Progress", "Replay", "ReplayConfig", "Speed", "WallClock", "lag_guard"]
