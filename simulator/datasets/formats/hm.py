"""H&M: purchases of clothes."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.item_table import ItemTable

ARTICLE = r"\d{9,10}"

_ARTICLES = [
    "article_id",
    "product_code",
    "prod_name",
    "product_type_no",
    "product_type_name",
    "product_group_name",
    "graphical_appearance_no",
    "graphical_appearance_name",
    "colour_group_code",
    "colour_group_name",
    "perceived_colour_value_id",
    "perceived_colour_value_name",
    "perceived_colour_master_id",
    "perceived_colour_master_name",
    "department_no",
    "department_name",
    "index_code",
    "index_name",
    "index_group_no",
    "index_group_name",
    "section_no",
    "section_name",
    "garment_group_no",
    "garment_group_name",
    "detail_desc",
]

FORMAT = Format(
    name="hm",
    title="H&M purchases",
    source="H&M Group, Kaggle competition of 2022",
    layouts=(
        Delimited(
            title="H&M transactions_train.csv",
            columns=("t_dat", "customer_id", "article_id", "price", "sales_channel_id"),
            user="customer_id",
            item="article_id",
            time="t_dat",
            unit="iso",
            zone="UTC",
            event="purchase",
            like={"article_id": ARTICLE, "customer_id": r"[0-9a-f]{64}"},
            sessions="a user's day: the times are whole days",
            note="a row that is there several times is a quantity",
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="H&M articles.csv",
                columns=_ARTICLES,
                item="article_id",
                category="product_type_name",
            ),
            name="prod_name",
        ),
    ),
    siblings=(Sibling("H&M customers.csv", "which has no events", first_line(r"customer_id,FN,Active,.*")),),
    files=("transactions*",),
)
