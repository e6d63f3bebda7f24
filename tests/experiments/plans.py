"""Plans of experiments for tests."""

from __future__ import annotations

from mos_online.errors import ModelError
from mos_online.experiments.changes import started
from mos_online.experiments.in_force import InForce
from mos_online.experiments.reading import parse_plan

ROUTING = """
layers:
  - name: home
    experiments:
      - name: routing
        version: 1
        buckets: [[0, 5000]]
        control: frozen
        arms: [{name: frozen, router: frozen}, {name: online, router: online}]
        primary: ctr
"""

MODELS = """
  - name: models
    experiments:
      - name: model
        buckets: [[0, 10000]]
        control: old
        arms: [{name: old}, {name: new, model: candidate}, {name: explores, exploration: 0.2}]
        primary: ctr
"""

ALIASES = {"champion": "m-1", "candidate": "m-2"}


def resolve(version: str) -> str:
    """As the registry does, with two models."""
    if version not in {*ALIASES, *ALIASES.values()}:
        raise ModelError(f"no model version {version!r}")
    return ALIASES.get(version, version)


def in_force(text: str, before: InForce | None = None, *, now: int = 1) -> InForce:
    """What is in force after a file was started."""
    return started(before or InForce(), parse_plan(text), resolve, now=now)
