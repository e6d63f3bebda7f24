"""Rows of the online store made into what they say; one that cannot be read is logged once, and is none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from features.reading import Damaged
from features.rows import Values
from mos_online.errors import StoreError

T = TypeVar("T")
OnDamaged = Callable[[str, str], object]

TOLD = 1000
"""Damaged rows that are remembered, so that each is logged once."""

log = logging.getLogger(__name__)


class RowDecoder:
    """Decodes rows of one store."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def decoded(
        self, row: Values | Damaged, decode: Callable[[Values], T], on_damaged: OnDamaged | None, owner: str
    ) -> T | None:
        """What a row says; None if there is none, or it cannot be read.

        Args:
            row: as it was read.
            decode: raises StoreError for a row that it cannot read.
            on_damaged: called with ``owner`` and the fault of such a row, and of a damaged one.
            owner: whose row it is, for the log.
        """
        if not row:
            return None
        try:
            if isinstance(row, Damaged):
                raise StoreError(f"cannot be decoded: {row.fault}")
            return decode(row)
        except StoreError as error:
            if self._told.get(owner) != str(error):
                self._told = {**self._told, owner: str(error)} if len(self._told) < TOLD else {owner: str(error)}
                log.warning("the row of %r is left out: %s; `mos backfill` writes it anew", owner, error)
            if on_damaged is not None:
                on_damaged(owner, str(error))
            return None
