"""How simulated users behave, and what is planted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from mos_online.errors import SettingsError

HOUR = 3_600_000
"""Milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Relevance:
    """The probability that a user clicks an item that they look at, by how far it is from what they want.

    Attributes:
        next: one of the next three items of the ring on which the user is.
        same: another item of this ring.
        owned: an item of another ring of the user.
        any: any other item.
    """

    next: float = 0.3
    same: float = 0.08
    owned: float = 0.02
    any: float = 0.004


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How users behave; times in milliseconds of event time.

    Attributes:
        relevance: of items to a user of mean appetite.
        appetite: users differ: each multiplies their relevance by a number between 1 - appetite and 1 + appetite.
        clicks: "position": a user looks at place p with probability p ** -examination, and may click several items
            (position-based model). "cascade": a user looks at one item after the other, goes on with probability
            ``patience``, and stops at the first click (cascade model).
        examination, patience: see above.
        requests_per_visit: mean.
        hop: probability that a visit is on another ring of the user than the one before.
        organic: probability that a user finds an item without the list after a request, and clicks it.
        noise: probability that such an item is any item at all.
        pause: mean between two requests of a visit, beyond a second.
        absence: mean between two visits, beyond 31 minutes.
        sooner: the share of the absence that a user stays away less after a visit with a click on a list.
        empty_lists: after so many lists in a row without a click, a user leaves.
    """

    relevance: Relevance = Relevance()
    appetite: float = 0.5
    clicks: Literal["position", "cascade"] = "position"
    examination: float = 0.7
    patience: float = 0.85
    requests_per_visit: float = 5.0
    hop: float = 0.5
    organic: float = 0.3
    noise: float = 0.1
    pause: float = 40_000.0
    absence: float = 12.0 * HOUR
    sooner: float = 0.3
    empty_lists: int = 2

    def __post_init__(self) -> None:
        for name in ("appetite", "patience", "hop", "organic", "noise", "sooner"):
            _within(name, getattr(self, name), 0, 1)
        for field in fields(Relevance):
            _within(f"relevance {field.name}", getattr(self.relevance, field.name), 0, 1)
        _within("examination", self.examination, 0, 10)
        _within("requests per visit", self.requests_per_visit, 1, 1000)
        _within("empty lists", self.empty_lists, 1, 1000)
        _within("pause", self.pause, 0, 20 * 60_000)
        _within("absence", self.absence, 0, 10_000 * HOUR)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What changes at one moment, as shares between 0 and 1.

    Attributes:
        at: the moment, in ms after the start.
        moved: of the items, change their places, and so mostly their rings.
        replaced: of the items, nobody wants any more; new ones are in their places.
        trend: of the users, give up a ring for the one ring that becomes popular.
    """

    at: int
    moved: float = 0.3
    replaced: float = 0.2
    trend: float = 0.1

    def __post_init__(self) -> None:
        _within("drift at", self.at, 0, 1_000_000 * HOUR)
        for name in ("moved", "replaced", "trend"):
            _within(f"drift {name}", getattr(self, name), 0, 1)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of an experiment.

    Attributes:
        name: of the arm.
        effect: multiplies the relevance of all items by 1 + effect.
        novelty: the half-life (ms) of the effect from a user's first request on; None if it lasts.
        lost: the share of the arm's users whose exposure does not reach the log, which spoils the ratio of the arms.
    """

    name: str
    effect: float = 0.0
    novelty: float | None = None
    lost: float = 0.0

    def __post_init__(self) -> None:
        _within(f"effect of {self.name}", self.effect, -1, 10)
        _within(f"lost exposures of {self.name}", self.lost, 0, 1)
        if self.novelty is not None:
            _within(f"novelty of {self.name}", self.novelty, 1, 1_000_000 * HOUR)

    def check(self, habits: Habits) -> None:
        """Check that no probability is above 1, where the planted effect would not be exact.

        Raises:
            SettingsError: the effect is too large for the relevance and the appetite of the users.
        """
        most = max(getattr(habits.relevance, field.name) for field in fields(Relevance)) * (1 + habits.appetite)
        if most * (1 + self.effect) > 1:
            raise SettingsError(
                f"effect {self.effect:g} of arm {self.name}: some users would click with probability "
                f"{most * (1 + self.effect):.2f}; at most {1 / most - 1:.2f} is exact with these habits"
            )


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"simulated users: {name} is {value:g}, must be between {low:g} and {high:,}")
