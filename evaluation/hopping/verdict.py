"""Whether a log has the structure that MoS uses, and why. It does not foretell the gain, which is measured."""

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
"""Histories are long enough with this median of sessions per returning user, or this share of users with over 20 events
in three or more sessions: a long history of one sitting, as where films are rated, has no hops."""
FEWEST_USERS = 200
"""With fewer users than this, the habits of some of them decide what is found."""
MOST_ONCE = 0.3
"""If a larger share of the users has one session, it is said that they are left out."""
LEAST_ROUTED = 0.5
"""With fewer of the sessions routed, the hop rate stands for too few of them to answer."""
FAST = 0.3
"""The catalogue is fast if this share of late clicks is on items unseen in the first half of the log."""


PRESENT, UNCLEAR, MISSING = "structure present", "structure unclear", "no structure"
"""The words of the verdict."""


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
    """``PRESENT``, ``UNCLEAR`` or ``MISSING``, and the checks it rests on."""

    word: str
    checks: Sequence[Check]


def verdict(figures: Hopping) -> Verdict:
    """Present if all four checks hold; missing if users do not hop, sessions are not thematic or histories are short.

    Order alone cannot make it missing: where users hop at random, the open session still tells the theme. It is
    measured beyond time: themes may be periods, which any shuffle mixes, see ``by_time.beyond_time``.
    """
    checks = [_hops(figures), _thematic(figures), _long(figures), _order(figures)]
    if all(check.answer is Answer.YES for check in checks):
        return Verdict(PRESENT, checks)
    return Verdict(MISSING if any(check.answer is Answer.NO for check in checks[:3]) else UNCLEAR, checks)


def warnings(figures: Hopping) -> list[str]:
    """What to keep in mind when reading the figures, whatever the verdict."""
    found = []
    if figures.extent.new_items > FAST:
        found.append(
            f"fast catalogue (or few users): {figures.extent.new_items:.0%} of the late clicks are on items unseen in "
            "the first half of the log, so a model trained once measures nothing; judge models that keep learning"
        )
    if figures.extent.users < FEWEST_USERS:
        found.append(
            f"few users: {figures.extent.users}, of whom {figures.measured_users} were measured; with fewer than "
            f"{FEWEST_USERS} the habits of some of them decide, here and in every comparison of models"
        )
    if figures.extent.one_session > MOST_ONCE:
        found.append(
            f"{figures.extent.one_session:.0%} of the users have one session: they cannot hop, and all checks leave "
            "them out, so whatever MoS gains it gains with the others"
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
    """By the learned vectors or, where they are known, by the categories: one of them is enough."""
    measured = {"cosine": figures.cosine.difference}
    if figures.category is not None:
        measured["category"] = figures.category.difference
    if any(found.low > LEAST_DIFFERENCE for found in measured.values()):
        answer = Answer.YES
    else:
        answer = Answer.NO if all(found.high < LEAST_DIFFERENCE for found in measured.values()) else Answer.OPEN
    shown = ", ".join(f"{name} {interval(one.mean, one.low, one.high)}" for name, one in measured.items())
    return Check("sessions are thematic", answer, f"inside minus across: {shown}, needed above {LEAST_DIFFERENCE}")


def _long(figures: Hopping) -> Check:
    sessions, share = figures.extent.sessions_of_returning, figures.extent.long_histories
    answer = Answer.YES if sessions >= LEAST_SESSIONS or share >= LEAST_LONG else Answer.NO
    why = (
        f"median sessions per returning user {sessions:g}, users with over 20 events in three or more sessions "
        f"{share:.1%}, needed {LEAST_SESSIONS} or {LEAST_LONG:.0%}"
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
