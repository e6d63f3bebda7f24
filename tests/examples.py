"""How many examples a property is tried on, and what hypothesis is not to complain about."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

USUAL = 100
"""Of a property that says no number."""
QUICK = 30
"""The same in ``make check``, which many run after each change; ``make test`` tries all."""

BUSY = [HealthCheck.too_slow]
"""A busy machine is no fault."""
SHARED_FIXTURE = [*BUSY, HealthCheck.function_scoped_fixture]
"""For a property whose examples share what a fixture of the test has made."""


def examples(count: int) -> int:
    """So many in ``make test``, and as much fewer as usual in ``make check``."""
    return max(count * settings().max_examples // USUAL, 2)
