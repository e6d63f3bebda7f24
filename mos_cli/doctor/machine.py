"""Python, packages, and programs that are good to have."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from mos_cli import NEWEST, OLDEST
from mos_cli.findings import Finding, Status

DISTRIBUTION = "mos-online"
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


def programs() -> Iterator[Finding]:
    """Programs that some uses need and others do not."""
    for name, why in PROGRAMS.items():
        where = shutil.which(name)
        yield Finding(part=name, status=Status.INFO, found=str(Path(where)) if where else f"not here; {why}")
