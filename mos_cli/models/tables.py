"""Tables of ``mos models list`` and ``mos models show``."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from mos_cli.utc import utc_text
from mos_online.errors import ModelError
from mos_online.registry import Manifest, Registry

HIT_RATE, NDCG = "hit_rate_at_10", "ndcg_at_10"


def versions_table(registry: Registry) -> Table:
    """A line for each version, newest first."""
    aliases = registry.aliases()
    table = _table("version", "aliases", "added (UTC)", "router", "hit-rate@10", "NDCG@10", "size")
    for version in registry.versions():
        names = Text(", ".join(aliases.of(version)), style="bold green")
        try:
            manifest = registry.manifest(version)
        except ModelError:
            table.add_row(version, names, Text("its manifest is damaged", style="bold red"))
            continue
        table.add_row(
            version,
            names,
            utc_text(manifest.created_at, "seconds"),
            manifest.router_version,
            figure(manifest.metrics.get(HIT_RATE)),
            figure(manifest.metrics.get(NDCG)),
            size(manifest),
        )
    return table


def manifest_table(manifest: Manifest, aliases: list[str]) -> Table:
    """The content of a manifest, with its metrics and files, as a table."""
    table = _table("", "", show_header=False)
    table.add_row("version", manifest.version)
    table.add_row("aliases", ", ".join(aliases) or "none")
    table.add_row("added (UTC)", utc_text(manifest.created_at, "seconds"))
    table.add_row("router", manifest.router_version)
    table.add_row("format", str(manifest.format))
    table.add_row("hash", manifest.digest)
    for name, value in manifest.metrics.items():
        table.add_row(name, figure(value))
    for name, file in manifest.files.items():
        table.add_row(name, f"{file.size:,} bytes, sha256 {file.sha256}")
    return table


def figure(value: float | None) -> str:
    """A metric with four decimals; empty if it was not measured."""
    return "" if value is None else f"{value:.4f}"


def size(manifest: Manifest) -> str:
    """The size of all files of a version together, in MiB."""
    return f"{sum(file.size for file in manifest.files.values()) / 2**20:.1f} MiB"


def _table(*columns: str, show_header: bool = True) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, show_header=show_header)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
