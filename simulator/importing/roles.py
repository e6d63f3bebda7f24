"""Which column of a table may be the user, the item, the time and so on: by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Role = Literal["user", "item", "time", "type", "session", "category", "value"]


class Names(NamedTuple):
    """The names by which a role is known.

    Attributes:
        ours: the name in a dataset folder; it wins over all others.
        usual: other names that columns of this role have.
        subjects, endings: a name may also be a subject and an ending, with anything before: ``shop_customer_no``.
        required: whether there is no log without it.
        meaning: what the column holds, in words.
    """

    ours: str
    usual: Sequence[str]
    subjects: Sequence[str]
    endings: Sequence[str]
    required: bool
    meaning: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


_ID = ("id", "ids", "no", "nr", "number", "key", "code", "hash", "uuid", "guid", "idx", "index")

ROLES: Mapping[Role, Names] = {
    "user": Names(
        "user_id",
        words(
            "user userid uid customer customer_id customerid cust_id visitor visitor_id visitorid client "
            "client_id member member_id buyer buyer_id shopper shopper_id account account_id profile_id "
            "person person_id reader_id reviewer_id viewer_id subscriber_id device_id cookie_id anonymous_id"
        ),
        words("user customer visitor client member buyer shopper account reader viewer subscriber reviewer"),
        _ID,
        required=True,
        meaning="who",
    ),
    "item": Names(
        "item_id",
        words(
            "item itemid iid product product_id productid prod_id sku article article_id articleid asin "
            "parent_asin movie_id video_id track_id song_id book_id business_id content_id news_id listing_id "
            "offer_id goods_id aid isbn stock_code material_id"
        ),
        words("item product article sku movie video track song book content news listing offer goods"),
        _ID,
        required=True,
        meaning="what",
    ),
    "time": Names(
        "timestamp",
        words(
            "time ts t datetime date_time event_time event_timestamp created_at created occurred_at "
            "happened_at time_stamp unix_time unixtime epoch date event_date when invoice_date order_date"
        ),
        (),
        ["time", "timestamp", "date", "datetime", "ts", "at", "ms"],
        required=True,
        meaning="when",
    ),
    "type": Names(
        "event_type",
        words(
            "event action action_type eventtype event_name eventname behavior behaviour behavior_type "
            "behaviour_type type interaction interaction_type activity activity_type verb"
        ),
        ["event", "action", "behavior", "behaviour", "interaction", "activity"],
        ("type", "name", "kind"),
        required=False,
        meaning="what the user did",
    ),
    "session": Names(
        "session_id",
        ["session", "sessionid", "visit", "visit_id", "visitid", "user_session", "session_key"],
        ("session", "visit"),
        _ID,
        required=False,
        meaning="your own session id",
    ),
    "category": Names(
        "category",
        ["category_id", "category_name", "category_code", "cat_id", "category_path", "main_category", "department"],
        (),
        (),
        required=False,
        meaning="category of the item",
    ),
    "value": Names("value", (), (), (), required=False, meaning="above 0: the impression was clicked"),
}
"""What a log has. The order is that of the table that is shown."""


def named_for(role: Role, columns: Sequence[str]) -> list[str]:
    """The columns whose name says this role: our own name, else the usual ones, else those built like them.

    >>> named_for("user", ["CustomerID", "sku", "customer_name"]), named_for("time", ["created_at", "shipped_at"])
    (['CustomerID'], ['created_at'])
    >>> named_for("item", ["shop_article_no", "price"]), named_for("item", ["product.sku", "product.name"])
    (['shop_article_no'], ['product.sku'])
    """
    names = ROLES[role]
    plain = {column: {plain_name(column), plain_name(column.rpartition(".")[2])} for column in columns}
    for fits in (lambda name: name == names.ours, lambda name: name in names.usual, lambda name: _built(name, names)):
        if found := [column for column, both in plain.items() if any(fits(name) for name in both)]:
            return found
    return []


def plain_name(column: str) -> str:
    """A name in lower case, its words joined by underscores.

    >>> plain_name("CustomerID"), plain_name(" Event Time"), plain_name("user.id")
    ('customer_id', 'event_time', 'user_id')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return re.sub(r"[^a-z0-9]+", "_", words.casefold()).strip("_")


def _built(name: str, names: Names) -> bool:
    words = name.split("_")
    if len(words) < 2 or words[-1] not in names.endings:
        return False
    return not names.subjects or any(word in names.subjects for word in words[:-1])
