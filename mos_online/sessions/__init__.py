"""Sessions in event time: the streaming sessionizer and its offline oracle."""

from mos_online.sessions.checkpoint import Checkpoint, ClockState
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.oracle import offline_sessions
from mos_online.sessions.sessionizer import Output, Rejected, Sessionizer

__all__ = ["Checkpoint", "ClockState", "Output", "Rejected", "SessionConfig", "Sessionizer", "offline_sessions"]
