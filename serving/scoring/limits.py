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
        refresh: how often the store's health is looked at, and item popularity at least.
        registry: how often the model registry is looked at: a model that was taken back is gone so soon.
        co_clicks: how often the co-clicks of the items are looked at.
        router: how often a revision of the router is looked for.
        body_seconds: how long a body may take to arrive.
        bodies: bytes of all bodies that are being read; one client may hold half of them.
        max_events: clicks and impressions that wait for Kafka; further ones are refused with 503.
        max_events_call: clicks and impressions of one call.
        body, batch_body, events_body: largest body in bytes: of one request, of a batch of them, and of events. An
            event must fit into a record of Kafka.
    """

    max_batch: int = 16
    max_pending: int = 256
    max_call: int = 64
    deadline: float = 1.0
    store_timeout: float = 0.25
    refresh: float = 1.0
    registry: float = 0.5
    co_clicks: float = 5.0
    router: float = 0.2
    body_seconds: float = 10.0
    bodies: int = 128 << 20
    max_events: int = 10_000
    max_events_call: int = 500
    body: int = 1 << 20
    batch_body: int = 4 << 20
    events_body: int = 900_000
