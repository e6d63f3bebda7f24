"""OTTO: sessions of a shop's visitors, one a line."""

from __future__ import annotations

from simulator.datasets.format import Format
from simulator.datasets.json_lines import JsonLines

FORMAT = Format(
    name="otto",
    title="OTTO sessions",
    source='P. Normann, S. Baumeister, T. Wilm, "OTTO recommender systems dataset", 2022; Kaggle competition of 2022',
    layouts=(
        JsonLines(
            title="OTTO train.jsonl or test.jsonl",
            each="events",
            shared=("session",),
            user="session",
            item="aid",
            time="ts",
            unit="ms",
            type="type",
            types={"clicks": "click", "carts": "cart", "orders": "purchase"},
            sessions="the clicks of a visitor without a long gap: what the publisher calls a session is a visitor of "
            "up to four weeks",
        ),
    ),
    files=("*.jsonl*",),
)
