"""What the figures of a log say about MoS: likely, uncertain or unlikely to help, and why."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from evaluation.hopping.analysis import Hopping

LEAST_HOPS = 0.2
"""Users hop if at least this share of their consecutive sessions differ in theme."""
LEAST_DIFFERENCE = 0.05
"""Sessions are thematic if inside minus across (cosine) is above this with its whole interval."""
LEAST_ORDER = 0.02
"""Order tells themes if the hop rate is further than this, either way, from the shuffled one corrected for time."""
LEAST_SESSIONS, LEAST_LONG = 3, 0.2
"""Histories are long enough with this median of sessions per user, or this share of users with over 20 events in three
or more sessions: a long history of one sitting, as where films are rated, has no hops."""
LEAST_ROUTED = 0.5
"""With fewer of the sessions routed, the hop rate stands for too few of them to answer."""
FAST = 0.3
"""The catalogue is fast if this share of late clicks is on items unseen in the first half of the log."""


class Answer(StrEnum):
    """What a check found."""

    YES = "yes"
    NO = "no"
    OPEN = "open"


class Check(msgspec.Struct, frozen=True):
    """One condition: its name, whether it holds, and why."""

    name: str
    answer: Answer
    why: str


class Verdict(msgspec.Struct, frozen=True):
    """``likely``, ``uncertain`` or ``unlikely``, and the checks it rests on."""

    word: str
    checks: Sequence[Check]


def verdict(figures: Hopping) -> Verdict:
    """Likely if all four checks hold; unlikely if users do not hop, sessions are not thematic or histories are short.

    Order alone cannot make it unlikely: where users hop at random, the open session still tells the theme. It is
    measured beyond time: themes may be periods, which any shuffle mixes, see ``by_time.beyond_time``.
    """
    checks = [_hops(figures), _thematic(figures), _long(figures), _order(figures)]
    if all(check.answer is Answer.YES for check in checks):
        return Verdict("likely", checks)
    return Verdict("unlikely" if any(check.answer is Answer.NO for check in checks[:3]) else "uncertain", checks)


def warnings(figures: Hopping) -> list[str]:
    """What to keep in mind when reading the figures, whatever the verdict."""
    found = []
    if figures.extent.new_items > FAST:
        found.append(
            f"fast catalogue (or few users): {figures.extent.new_items:.0%} of the late clicks are on items unseen in "
            "the first half of the log, so a model trained once measures nothing; judge models that keep learning"
        )
    if figures.kept_users < 1:
        found.append(f"a sample: {figures.kept_users:.1%} of the users, chosen by a hash of their ids")
    return found


def _hops(figures: Hopping) -> Check:
    rate, routed = figures.hops.rate, figures.routed
    answer = Answer.OPEN if routed < LEAST_ROUTED else Answer.YES if rate >= LEAST_HOPS else Answer.NO
    why = f"hop rate {rate:.3f}, needed {LEAST_HOPS}, of {routed:.0%} of the sessions, needed {LEAST_ROUTED:.0%}"
    return Check("users hop", answer, why)


def _thematic(figures: Hopping) -> Check:
    found = figures.cosine.difference
    answer = Answer.YES if found.low > LEAST_DIFFERENCE else Answer.NO if found.high < LEAST_DIFFERENCE else Answer.OPEN
    why = f"cosine inside minus across {interval(found.mean, found.low, found.high)}, needed above {LEAST_DIFFERENCE}"
    return Check("sessions are thematic", answer, why)


def _long(figures: Hopping) -> Check:
    sessions, share = figures.extent.sessions_per_user[2], figures.extent.long_histories
    answer = Answer.YES if sessions >= LEAST_SESSIONS or share >= LEAST_LONG else Answer.NO
    why = (
        f"median sessions per user {sessions:g}, users with over 20 events in three or more sessions {share:.1%}, "
        f"needed {LEAST_SESSIONS} or {LEAST_LONG:.0%}"
    )
    return Check("histories are long enough", answer, why)


def _order(figures: Hopping) -> Check:
    found = figures.hops.beyond_time
    apart = found.low > 0 or found.high < 0
    if abs(found.mean) > LEAST_ORDER and apart:
        answer = Answer.YES
    else:
        answer = Answer.NO if max(-found.low, found.high) < LEAST_ORDER else Answer.OPEN
    why = (
        f"hop rate minus that expected by time ({figures.hops.by_time:.3f}): "
        f"{interval(found.mean, found.low, found.high)}, needed beyond ±{LEAST_ORDER}"
    )
    return Check("order tells themes", answer, why)


def interval(mean: float, low: float, high: float) -> str:
    """In a form that rich does not take for markup.

    >>> interval(0.1, -0.2, 0.4)
    '+0.100 (-0.200, +0.400)'
    """
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]".replace("[", "(").replace("]", ")")
