"""Notes when the consumer group has heard of a consumer."""

from __future__ import annotations

from typing import Any

from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams.processors.lease import Lease

PROVING = (HeartbeatRequest, SyncGroupRequest)
"""Requests that a group answers without an error only if the consumer is a member of its present generation."""


def watch(coordinator: Any, lease: Lease) -> None:
    """Renew ``lease`` with every answer that proves a membership.

    Args:
        coordinator: of an aiokafka consumer that has been started.
        lease: of the partitions that the group has given to it.
    """
    send = coordinator._send_req

    async def send_and_note(request: Any) -> Any:
        sent_at = lease.clock()
        response = await send(request)
        if isinstance(request, PROVING) and response.error_code == 0:
            lease.renew(sent_at=sent_at)
        return response

    coordinator._send_req = send_and_note
