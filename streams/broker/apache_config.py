"""What Apache Kafka is told before its first start: ``server.properties`` and a formatted data folder."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from mos_online.ports import HOST, free_port

DEFAULTS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
}


def write_properties(path: Path, *, data: str, port: int, changes: Mapping[str, str]) -> None:
    """Write ``server.properties``, readable by its owner only.

    Args:
        path: of the file.
        data: the data folder, relative to Kafka's folder: Kafka takes a comma in a path for two folders.
        port: where it listens, on 127.0.0.1.
        changes: properties instead of, or beside, ours.
    """
    controller = free_port()
    properties = {
        **DEFAULTS,
        "log.dirs": data,
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        **changes,
    }
    if "CONTROLLER://" not in properties["listeners"]:  # the caller's: it need not know of our controller
        properties["listeners"] += f",CONTROLLER://{HOST}:{controller}"
    lines = "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in properties.items())
    path.touch(mode=0o600)  # it may hold passwords
    path.write_bytes(lines.encode("latin-1", "backslashreplace"))


def format_data(java: list[str], properties: Path, log: Path) -> bool:
    """Make an empty data folder ready, under a cluster id of its own; False if Kafka could not, which its log explains.

    Args:
        java: the command line of Java, with the class path.
        properties: the file that ``write_properties`` wrote; Kafka runs in its folder.
        log: what Kafka prints is appended to this file.
    """
    cluster = base64.urlsafe_b64encode(b"m" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # must not begin with -
    tool = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties.name, "-g"]
    with log.open("ab") as out:
        done = subprocess.run(  # noqa: S603 - our own command line
            tool, check=False, cwd=properties.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    return done.returncode == 0
