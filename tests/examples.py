"""How many examples a property is tried on, and what hypothesis is not to complain about."""

from __future__ import annotations

from hypothesis import HealthCheck

QUICK = 30
"""Of a property that says no number, in ``make check``, which many run after each change; ``make test`` tries 100. One
that says a number needs so many to find what it is for.
"""

BUSY = [HealthCheck.too_slow]
"""A busy machine is no fault."""
SHARED_FIXTURE = [*BUSY, HealthCheck.function_scoped_fixture]
"""For a property whose examples share what a fixture of the test has made."""
