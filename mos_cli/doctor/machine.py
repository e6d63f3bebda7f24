"""Python, packages, disk, ports, and programs that are good to have."""

from __future__ import annotations

import importlib.metadata
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from packaging.requirements import Requirement

from mos_cli.doctor.finding import Finding, Status
from mos_online.ports import reachable
from mos_online.settings import Settings

DISTRIBUTION = "mos-online"
OLDEST, NEWEST = (3, 11), (3, 13)
WARN_FREE, FAIL_FREE = 2 * 2**30, 200 * 2**20
"""Free bytes under MOS_HOME; a model, the profiles of a million users and Ray's logs take about 2 GiB."""

PROGRAMS = {
    "redis-server": "needed for MOS_STORE=redis://localhost and by the tests",
    "java": "needed by `mos kafka --real` and its tests, from version 17 on",
    "mvn": "needed by `mos kafka --real`, which fetches Apache Kafka with it, once",
    "docker": "needed for docker-compose.yml",
}


def python() -> Finding:
    """Whether this Python is one that we test with."""
    version = sys.version_info[:3]
    found = ".".join(map(str, version))
    if OLDEST <= version[:2] <= NEWEST:
        return Finding(part="Python", status=Status.PASS, found=found)
    allowed = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    return Finding(
        part="Python", status=Status.FAIL, found=found, remedy=f"use Python {allowed}: make PYTHON=python3.12"
    )


def packages() -> Finding:
    """Whether our dependencies are installed in the versions that we ask for."""
    try:
        wanted = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            part="packages", status=Status.FAIL, found=f"{DISTRIBUTION} is not installed", remedy="make setup"
        )
    faults = [fault for requirement in wanted if (fault := _fault(requirement))]
    if faults:
        return Finding(part="packages", status=Status.FAIL, found="; ".join(faults), remedy="make setup")
    return Finding(part="packages", status=Status.PASS, found=f"{len(wanted)} dependencies in the versions asked for")


def _fault(text: str) -> str | None:
    """What is wrong with one dependency of ours."""
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    try:
        found = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} {found} is not {requirement.specifier}"


def disk(settings: Settings) -> Finding:
    """Whether there is room under MOS_HOME."""
    folder = settings.home.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free at {folder}"
    if free >= WARN_FREE:
        return Finding(part="disk", status=Status.PASS, found=found)
    status = Status.FAIL if free < FAIL_FREE else Status.WARN
    return Finding(part="disk", status=status, found=found, remedy="free some, or set MOS_HOME to a larger disk")


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether our two ports are ours to use, or already used by us."""
    yield _port("serve", settings.serve_host, settings.serve_port, "MOS_SERVE_PORT")
    yield _port("worker", reachable(settings.worker_host), settings.worker_port, "MOS_WORKER_PORT")


def _port(service: str, host: str, port: int, variable: str) -> Finding:
    part = f"port of {service}"
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((host, port)) != 0:
            return Finding(
                part=part, status=Status.INFO, found=f"{host}:{port} is free; `mos {service}` is not running"
            )
    if _is_ours(f"http://{host}:{port}/healthz"):
        return Finding(part=part, status=Status.PASS, found=f"{host}:{port} is served by `mos {service}`")
    return Finding(
        part=part,
        status=Status.FAIL,
        found=f"{host}:{port} is taken by something that does not answer /healthz as we do",
        remedy=f"stop it (`lsof -i :{port}` names it) or set {variable} to another port",
    )


def _is_ours(url: str) -> bool:
    try:
        answer = httpx.get(url, timeout=2.0)
        return answer.is_success and "status" in answer.json()
    except (httpx.HTTPError, ValueError):
        return False


def programs() -> Iterator[Finding]:
    """Programs that some uses need and others do not."""
    for name, why in PROGRAMS.items():
        where = shutil.which(name)
        yield Finding(part=name, status=Status.INFO, found=str(Path(where)) if where else f"not here; {why}")
