"""Sessions in event time. What a session is, and what is promised about it, stands in ``docs/sessions.md``.

- ``config``: the rules.
- ``sessionizer``: the sessionizer of one partition, which joins the pieces below. Records go in, sessions come out.
- ``windows``: where sessions are opened, extended, joined and **closed** (``SessionWindows.close``).
- ``cut``: where a run of events is cut into sessions; ``open_events``: the open events of one user.
- ``clock``: the watermark, and what is late. ``rejection``: times that cannot be believed.
- ``arrival``: when records arrive whose arrival no broker has noted.
- ``decisions``: what was decided that does not follow from the log alone; ``keys``: what may share a session.
- ``offsets``, ``checkpoint``: what is stored about once a second. ``recovery``: the way back from it.
- ``accepted``: the clicks that a session has taken, for those who count them.
- ``oracle``: the same sessions computed from a whole log at once; it shares no code with the stream.
"""

from mos_online.sessions.accepted import AcceptedLog
from mos_online.sessions.checkpoint import ClockState, SessionizerCheckpoint
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.oracle import offline_sessions
from mos_online.sessions.rejection import Output, Rejected
from mos_online.sessions.sessionizer import Sessionizer

__all__ = [
    "AcceptedLog",
    "ClockState",
    "Output",
    "Rejected",
    "SessionConfig",
    "Sessionizer",
    "SessionizerCheckpoint",
    "offline_sessions",
]
