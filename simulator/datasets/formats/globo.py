"""Globo.com: clicks on news, one file an hour."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import code

FORMAT = Format(
    name="globo",
    title="Globo.com news clicks",
    source='G. de Souza Pereira Moreira, F. Ferreira, A. M. da Cunha, "News session-based recommendations using deep '
    'neural networks", DLRS 2018',
    layouts=(
        Delimited(
            title="Globo.com hourly clicks",
            columns=(
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
            ),
            user="user_id",
            item="click_article_id",
            time="click_timestamp",
            unit="ms",
            session="session_id",
            sessions="the publisher's",
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="Globo.com articles_metadata.csv",
                columns=("article_id", "category_id", "created_at_ts", "publisher_id", "words_count"),
                item="article_id",
                category="category",
                adapt=lambda frame: frame.with_columns(category=code("category_id")),
            ),
        ),
    ),
    files=("clicks_hour_*.csv*",),  # clicks_sample.csv, beside them, repeats some of their clicks
)
