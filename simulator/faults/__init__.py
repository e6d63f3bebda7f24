"""Faults of real streams, injected on purpose and known exactly."""

from simulator.faults.plan import Faults, Injected, Kind, Schedule, plan

__all__ = ["Faults", "Injected", "Kind", "Schedule", "plan"]
