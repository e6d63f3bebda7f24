"""How fast does `mos import` take a CSV file that is larger than memory, and how much memory does it need?

    python benchmarks/importing.py [--rows 100000000] [--order shuffled|time] [--folder DIR]

Makes a file of about 100 bytes a row, in quoted and unquoted fields: a purchase log whose times are in any order (the
worst case for the sort by time) or nearly in order, as logs are. Imports it as a user would, in a process of its own,
and prints Markdown. The file and the dataset together take about 1.5 times the size of the file on the disk of DIR.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

CHUNK = 1_000_000
START = 1_700_000_000_000
SPAN = 180 * 86_400_000
"""Milliseconds from the first event to the last."""


def chunk(first: int, count: int, rows: int, *, shuffled: bool, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of the file: times anywhere in the span, or not far from their place in it."""
    place = np.sort(rng.random(count)) * count / rows + first / rows
    when = rng.random(count) if shuffled else np.clip(place + rng.normal(0, 1e-5, count), 0, 1)
    users = rng.zipf(1.2, count) % 5_000_000
    items = rng.zipf(1.3, count) % 200_000
    actions = pl.Series(["view", "view", "view", "view", "view", "view", "cart", "purchase"])
    return pl.DataFrame(
        {"ms": (START + when * SPAN).astype(np.int64), "user": users, "item": items, "kind": rng.integers(0, 8, count)}
    ).select(
        created_at=pl.from_epoch("ms", time_unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        customer_id=pl.format("c-{}", (pl.col("user") * 2_654_435_761 % 2**40).cast(pl.String).str.zfill(13)),
        sku=pl.format("SKU-{}", pl.col("item").cast(pl.String).str.zfill(6)),
        action=actions.gather(pl.Series(rng.integers(0, 8, count))),
        visit=pl.format("v{}", (pl.col("user") * 181 + pl.col("ms") // 86_400_000).cast(pl.String).str.zfill(12)),
        page=pl.format("/shop/{}/detail, no. {}", "item", "kind"),
    )


def make(path: Path, rows: int, *, shuffled: bool) -> None:
    """Write the file, a million rows at a time."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for first in range(0, rows, CHUNK):
            part = chunk(first, min(CHUNK, rows - first), rows, shuffled=shuffled, rng=rng)
            part.write_csv(file, include_header=first == 0)


def main() -> None:
    """Make, import, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--order", choices=("shuffled", "time"), default="shuffled")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        log, target = Path(name) / "events.csv", Path(name) / "imported"
        make(log, options.rows, shuffled=options.order == "shuffled")
        size = log.stat().st_size
        started = time.perf_counter()
        command = [sys.executable, "-m", "mos_cli", "import", str(log), "--to", str(target)]
        subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "MOS_HOME": f"{name}/home"})
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        times = pl.scan_parquet(target / "events.parquet").select("timestamp").collect(engine="streaming")["timestamp"]
        assert len(times) == options.rows
        assert times.is_sorted()
        print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, polars {pl.__version__}\n")
        print(
            "| rows | file | times | seconds | CPU seconds | rows/s | MB/s | peak memory | dataset |\n"
            "|---:|---:|---|---:|---:|---:|---:|---:|---:|"
        )
        kept = sum(path.stat().st_size for path in target.iterdir())
        print(
            f"| {options.rows:,} | {size / 1e9:.1f} GB | {options.order} | {seconds:,.0f} | {cpu:,.0f} "
            f"| {options.rows / seconds:,.0f} | {size / 1e6 / seconds:.0f} "
            f"| {peak / 2**20:,.0f} MiB | {kept / 1e9:.2f} GB |"
        )


if __name__ == "__main__":
    main()
