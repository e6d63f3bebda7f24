"""What our programs answer at ``/healthz`` and ``/readyz``: one form, which `mos doctor` reads too."""

from __future__ import annotations

from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a health check, as JSON. Its HTTP status is 200 if it is ``good``, and otherwise 503.

    Attributes:
        program: who answers.
        status: ``alive`` or ``failing`` at ``/healthz``, and ``ready``, ``waiting`` or ``failing`` at ``/readyz``.
        details: what fails, or what is waited for; each is a sentence or a part of one.
    """

    program: Literal["serve", "worker", "learn"]
    status: Literal["alive", "ready", "waiting", "failing"]
    details: list[str] = []

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return self.status in {"alive", "ready"}
