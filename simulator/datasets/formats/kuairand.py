"""KuaiRand: videos shown on Kuaishou, and what users did with them."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.item_table import ItemTable


def _first_tag(frame: pl.DataFrame) -> pl.DataFrame:
    """The first of a video's tags, which come as ``27,9``."""
    return frame.with_columns(first=pl.format("tag_{}", pl.col("tag").str.extract(r"^\s*(\d+)")))


FORMAT = Format(
    name="kuairand",
    title="KuaiRand impressions of videos",
    source='C. Gao et al., "KuaiRand: an unbiased sequential recommendation dataset with randomly exposed videos", '
    "CIKM 2022",
    layouts=(
        Delimited(
            title="KuaiRand log_standard or log_random",
            columns=(
                "user_id",
                "video_id",
                "date",
                "hourmin",
                "time_ms",
                "is_click",
                "is_like",
                "is_follow",
                "is_comment",
                "is_forward",
                "is_hate",
                "long_view",
                "play_time_ms",
                "duration_ms",
                "profile_stay_time",
                "comment_stay_time",
                "is_profile_enter",
                "is_rand",
                "tab",
            ),
            user="user_id",
            item="video_id",
            time="time_ms",
            unit="ms",
            event="impression",
            value="is_click",
            like={"is_click": "[01]"},
            note="each row is a video that was shown, a click where is_click is 1; likes, comments and the other flags "
            "are not read",
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="KuaiRand video_features_basic",
                columns=(
                    "video_id",
                    "author_id",
                    "video_type",
                    "upload_dt",
                    "upload_type",
                    "visible_status",
                    "video_duration",
                    "server_width",
                    "server_height",
                    "music_id",
                    "music_type",
                    "tag",
                ),
                item="video_id",
                category="first",
                adapt=_first_tag,
            ),
        ),
    ),
    siblings=(
        Sibling("KuaiRand video_features_statistic", "which has no events", first_line(r"video_id,counts,.*")),
        Sibling(
            "KuaiRand user_features", "which has no events", first_line(r"user_id,user_active_degree,is_lowactive.*")
        ),
    ),
    files=("log_*.csv*",),
)
