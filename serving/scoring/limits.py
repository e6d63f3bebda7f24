"""Bounds of one replica's work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Keeps a replica answering in time, whatever it is asked. Durations are in seconds.

    Attributes:
        max_batch: queries scored together.
        max_pending: queries waiting or being scored; more are refused with 503, so nobody waits for nothing.
        max_call: queries of one call; one client may always have that many waiting where there is room.
        deadline: a query that waited longer is refused instead of scored.
        store_timeout: how long the profiles of a batch may take; without them it is scored as if users were new.
        refresh: how often item popularity, the store's health and the model registry are looked at.
        body_seconds: how long a body may take to arrive.
        bodies: bytes of all bodies that are being read; one client may hold half of them.
        body, batch_body: largest request body in bytes, of one request and of a batch of them.
    """

    max_batch: int = 16
    max_pending: int = 256
    max_call: int = 64
    deadline: float = 1.0
    store_timeout: float = 0.25
    refresh: float = 1.0
    body_seconds: float = 10.0
    bodies: int = 128 << 20
    body: int = 1 << 20
    batch_body: int = 4 << 20
