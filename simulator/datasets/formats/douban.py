"""Douban: short comments on films."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format

FORMAT = Format(
    name="douban",
    title="Douban movie short comments",
    source="utmhikari, Douban movie short comments dataset V2, Kaggle 2018",
    layouts=(
        Delimited(
            title="Douban DMSC.csv",
            columns=(
                "ID",
                "Movie_Name_EN",
                "Movie_Name_CN",
                "Crawl_Date",
                "Number",
                "Username",
                "Date",
                "Star",
                "Comment",
                "Like",
            ),
            user="Username",
            item="Movie_Name_EN",
            time="Date",
            unit="iso",
            zone="UTC",
            event="review",
            sessions="a user's day: the times are whole days",
            note="users are known by their names alone, which two of them may share",
        ),
    ),
)
