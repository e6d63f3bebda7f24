"""What a replica must know of the place where it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """Says where a replica runs. It travels to the replica, whose own environment is not read.

    Attributes:
        local: Ray runs on this machine alone, so no port is for others.
        behind_haproxy: every request comes through our HAProxy, which says who sent it.
        metrics_folder: where the replicas of one machine put their counters together; None: each has its own.
    """

    local: bool = False
    behind_haproxy: bool = False
    metrics_folder: str | None = None
