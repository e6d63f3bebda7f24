"""The smallest folder that the registry takes for a model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mos_online.registry import Registry


def write_config(folder: Path, version: str, **changes: object) -> Path:
    """A ``config.json`` with all that is read without torch."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "format": 4,
        "version": version,
        "router_version": "r-1",
        "recent": 50,
        "theme_ring": 20,
        "half_life_ms": 86_400_000.0,
        "co_click_half_life_ms": 86_400_000.0,
    }
    (folder / "config.json").write_bytes(msgspec.json.encode(document | changes))
    return folder


def unchecked(_: Path) -> None:
    """In place of ``recommend.probe.check_model``: these folders hold no weights."""


def put_into_service(registry: Registry, folder: Path) -> str:
    """Add a folder and promote it."""
    return registry.promote(registry.add(folder), unchecked)
