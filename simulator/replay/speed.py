"""How fast a log is replayed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.errors import SettingsError

_TIMES, _RATE = re.compile(r"(\d+(?:\.\d+)?)x"), re.compile(r"(\d+(?:\.\d+)?)/s")


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A multiple of real time (``times``), clicks per second (``rate``), or as fast as possible (``max``).

    >>> Speed.parse("600x"), Speed.parse("800/s").kind, str(Speed.parse("max"))
    (Speed(kind='times', value=600.0), 'rate', 'max')
    """

    kind: Literal["times", "rate", "max"]
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Speed:
        """Read "600x", "800/s" or "max".

        Raises:
            SettingsError: anything else.
        """
        if text == "max":
            return cls(kind="max")
        if (match := _TIMES.fullmatch(text)) and float(match[1]) > 0:
            return cls(kind="times", value=float(match[1]))
        if (match := _RATE.fullmatch(text)) and float(match[1]) > 0:
            return cls(kind="rate", value=float(match[1]))
        raise SettingsError(
            f"speed {text!r} is not understood: write 600x (times real time), 800/s (clicks per second) or max"
        )

    def __str__(self) -> str:
        return {"times": f"{self.value:g}x", "rate": f"{self.value:g}/s", "max": "max"}[self.kind]

    def offsets(self, releases: Ints, origin: int) -> Floats:
        """When to send each of n clicks, in seconds after the start.

        Args:
            releases: (n,) event times (ms), ascending.
            origin: event time (ms) of the start.
        """
        if self.kind == "times":
            return np.divide(releases - origin, 1000.0 * self.value)
        if self.kind == "rate":
            return np.arange(len(releases)) / self.value
        return np.zeros(len(releases))

    def event_time(self, origin: int, elapsed: float) -> int:
        """Event time (ms) after ``elapsed`` seconds without a click; at a rate only clicks move it: ``origin``."""
        return origin + int(elapsed * 1000 * self.value) if self.kind == "times" else origin
