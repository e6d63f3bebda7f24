"""Globo.com hourly click files ``clicks_hour_*.csv``: twelve columns with a header; milliseconds.

G. de Souza Pereira Moreira, F. Ferreira, A. M. da Cunha, "News session-based recommendations using deep neural
networks", DLRS 2018.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.assemble import Rows
from simulator.datasets.lines import delimited, ids, parsed

COLUMNS = (
    "user_id",
    "session_id",
    "session_start",
    "session_size",
    "click_article_id",
    "click_timestamp",
    "click_environment",
    "click_deviceGroup",
    "click_os",
    "click_country",
    "click_region",
    "click_referrer_type",
)


def read(path: Path) -> Rows:
    """Clicks of one hourly file, or of all ``*.csv`` of a folder, with the publisher's sessions."""
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"{path} holds no *.csv; give an hourly file, or the folder of them")
    return Rows(pl.concat(_read_hour(file) for file in files))


def _read_hour(path: Path) -> pl.DataFrame:
    frame = delimited(path, COLUMNS, separator=",", header=True)
    frame = ids(path, frame, "user_id", "session_id", "click_article_id")
    milliseconds = pl.col("click_timestamp").cast(pl.Int64, strict=False)
    frame = parsed(path, frame, "click_timestamp", milliseconds, "milliseconds since 1970")
    return frame.select(
        "user_id",
        pl.col("click_article_id").alias("item_id"),
        pl.col("click_timestamp").alias("timestamp"),
        pl.lit("click").alias("event_type"),
        "session_id",
    )
