"""Files of public formats, made up in the publishers' shapes; a module for a group of formats."""

from __future__ import annotations

from tests.simulator.datasets.format_cases import leisure, markets, news_and_video, others, shops

_GROUPS = (shops, markets, others, leisure, news_and_video)

CASES = [case for group in _GROUPS for case in group.CASES]
FOREIGN = [case for group in _GROUPS for case in group.FOREIGN]
