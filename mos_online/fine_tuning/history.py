"""What became of every fine-tuning: a file of lines, of which a crash costs the last one at most."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from mos_online.fine_tuning.gate import Verdict

FILE = "fine-tunings.jsonl"

Result = Literal["promoted", "held", "refused", "failed"]


class FineTuning(msgspec.Struct, frozen=True, kw_only=True):
    """One fine-tuning.

    Attributes:
        at: when it ended, ms since 1970.
        why: what it was made for.
        champion, candidate: versions; no candidate if it failed before there was one.
        result: what became of the candidate; "held": it passed, and somebody else is to promote it. reasons: why.
        verdict: of the gate; None if it did not come so far.
        learned_to: event time (ms) before which the candidate has learned.
        examples, replayed, new_items, held_out: how many.
        revision: of the router, in whose themes it has learned; 0: the one that the epoch began with.
        epoch: of the candidate's router.
        seconds: how long it took.
    """

    at: int
    why: str
    champion: str
    candidate: str | None
    result: Result
    reasons: list[str]
    verdict: Verdict | None = None
    learned_to: int | None = None
    examples: int = 0
    replayed: int = 0
    new_items: int = 0
    held_out: int = 0
    revision: int = 0
    epoch: str | None = None
    seconds: float = 0.0


class History:
    """The fine-tunings of a learner, oldest first."""

    def __init__(self, folder: Path) -> None:
        """Use the file in a folder; it is made when there is something to write."""
        self._path = folder / FILE

    def add(self, one: FineTuning) -> None:
        """Write a line, which survives a crash from now on."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            if file.tell() and not self._path.read_bytes().endswith(b"\n"):
                file.write(b"\n")  # a crash has left half a line
            file.write(msgspec.json.encode(one) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[FineTuning]:
        """All of them; a line that a crash cut off is left out."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=FineTuning))
            except msgspec.MsgspecError:
                continue
        return found

    def judged(self) -> set[str]:
        """The candidates that have had their look."""
        return {one.candidate for one in self.read() if one.candidate is not None}
