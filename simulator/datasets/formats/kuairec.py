"""KuaiRec: videos watched on Kuaishou."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.item_table import ItemTable


def _first_tag(frame: pl.DataFrame) -> pl.DataFrame:
    """The first of a video's tags, which come as ``[27, 9]``."""
    return frame.with_columns(tag=pl.format("tag_{}", pl.col("feat").str.extract(r"\[\s*(\d+)")))


FORMAT = Format(
    name="kuairec",
    title="KuaiRec views of videos",
    source='C. Gao et al., "KuaiRec: a fully-observed dataset and insights for evaluating recommender systems", CIKM '
    "2022",
    layouts=(
        Delimited(
            title="KuaiRec big_matrix.csv or small_matrix.csv",
            columns=(
                "user_id",
                "video_id",
                "play_duration",
                "video_duration",
                "time",
                "date",
                "timestamp",
                "watch_ratio",
            ),
            user="user_id",
            item="video_id",
            time="timestamp",
            unit="s",
            event="view",
            expected={"missing_time": 0.1},  # small_matrix has rows without a time
            note="small_matrix.csv has rows without a time; big_matrix.csv has events that are there twice, under two "
            "days",
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="KuaiRec item_categories.csv",
                columns=("video_id", "feat"),
                item="video_id",
                category="tag",
                like={"feat": r"\[[\d, ]*\]"},
                adapt=_first_tag,
            ),
        ),
        ItemTable(
            layout=Delimited(
                title="KuaiRec kuairec_caption_category.csv",
                columns=(
                    "video_id",
                    "manual_cover_text",
                    "caption",
                    "topic_tag",
                    "first_level_category_id",
                    "first_level_category_name",
                    "second_level_category_id",
                    "second_level_category_name",
                    "third_level_category_id",
                    "third_level_category_name",
                ),
                item="video_id",
                category="first_level_category_name",
                missing=("UNKNOWN",),
            ),
            name="caption",
        ),
    ),
    siblings=(
        Sibling("KuaiRec item_daily_features.csv", "which has no events", first_line(r"video_id,date,author_id,.*")),
        Sibling("KuaiRec user_features.csv", "which has no events", first_line(r"user_id,user_active_degree,.*")),
        Sibling("KuaiRec social_network.csv", "which has no events", first_line(r"user_id,friend_list")),
    ),
    files=("*matrix.csv*",),
)
