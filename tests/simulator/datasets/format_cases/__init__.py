"""Files of public formats, made up in the publishers' shapes; a module for a group of formats."""

from __future__ import annotations

from tests.simulator.datasets.format_cases import others, shops

CASES = [case for module in (shops, others) for case in module.CASES]
FOREIGN = [case for module in (shops, others) for case in module.FOREIGN]
