"""Keeps the ports of a replica on the loopback address."""

from __future__ import annotations

from typing import Any

from mos_online.errors import ServingError


def bind_replica_to_loopback() -> None:
    """Let Ray's server for calls between deployments listen on 127.0.0.1; call it in the replica's constructor.

    Ray opens it on every interface, whatever the address of the node is, and there is no setting for it. It runs
    what it is sent, protected by Ray's token alone. We have one deployment, so nobody calls it.

    Raises:
        ServingError: this version of Ray opens the server in another way.
    """
    from ray.serve._private import replica  # noqa: PLC0415 - only inside a replica

    opened = getattr(replica, "add_port_to_grpc_server", None)
    if opened is None:
        raise ServingError("this version of Ray has no `add_port_to_grpc_server`, so its port would be open to others")

    def on_loopback(server: Any, address: str) -> int:
        return int(opened(server, f"127.0.0.1:{address.rpartition(':')[2]}"))

    replica.add_port_to_grpc_server = on_loopback
