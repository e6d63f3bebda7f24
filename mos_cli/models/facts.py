"""What a version's folder says of the model: figures, data, configuration and themes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mos_cli.models.tables import figure, size
from mos_cli.utc import utc_text
from mos_online.errors import ModelError
from mos_online.registry import Registry


class _Config(msgspec.Struct):
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}


class _Router(msgspec.Struct):
    labels: list[str]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One version, as text by name.

    Attributes:
        version: of the model.
        registry: what the manifest says.
        figures: measured in training.
        data: what was learned from, and how long it took.
        config: of the model and its fitting.
        themes: labels, those of theme 1 first.
    """

    version: str
    registry: dict[str, str]
    figures: dict[str, str]
    data: dict[str, str]
    config: dict[str, str]
    themes: list[str]


def facts_of(registry: Registry, version: str) -> Facts:
    """Read a version, each of its files checked.

    Raises:
        ModelError: there is no such version, or it is damaged.
    """
    chosen = registry.resolve(version)
    folder, manifest = registry.fetch(chosen), registry.manifest(chosen)
    document = _read(folder / "config.json", _Config)
    training = document.training
    config = {**document.model, **training.get("config", {})}
    said = {"version", "router_version", *manifest.metrics}
    return Facts(
        version=chosen,
        registry={
            "aliases": ", ".join(registry.aliases().of(chosen)) or "none",
            "added (UTC)": utc_text(manifest.created_at, "seconds"),
            "router": manifest.router_version,
            "format": str(manifest.format),
            "size": size(manifest),
        },
        figures={name: figure(value) for name, value in manifest.metrics.items()},
        data={name: _text(value) for name, value in training.items() if _is_plain(value) and name not in said},
        config={name: _text(value) for name, value in config.items()},
        themes=_read(folder / "router.json", _Router).labels[1:],
    )


def _read(path: Path, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"cannot read {path}: {error}; train again with `mos train`") from None


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
