"""An invented shop, as files like those a shop has: who viewed, put into the cart and bought what, and the catalogue.

Its customers are the synthetic population: they own a few interests, hop between them from visit to visit, and resume
each where they left it. So what a model should learn is in the log, under ids and columns as a shop writes them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from simulator.population import SyntheticConfig, synthesize

EVENTS_CSV, ITEMS_CSV = "events.csv", "items.csv"

CUSTOMERS = SyntheticConfig(
    users=1500, themes=12, items_per_theme=20, sessions_per_user=8.0, started_at=1_748_822_400_000, seed=11
)
"""Who shops: about 60,000 views of 240 articles in three weeks, from Monday 2 June 2025."""

DEPARTMENTS = {
    "Running": ("RUN", 60, ("Trail Shoe", "Road Shoe", "Running Belt", "Singlet", "Shorts", "Cap")),
    "Coffee": ("COF", 35, ("Espresso Beans", "Pour-Over Set", "Hand Grinder", "Milk Jug", "Filter Papers", "Scale")),
    "Camping": ("CMP", 90, ("Two-Person Tent", "Down Bag", "Sleeping Mat", "Gas Stove", "Head Torch", "Dry Bag")),
    "Photography": ("PHO", 240, ("Prime Lens", "Tripod", "Camera Strap", "Filter Set", "Flash", "Memory Card")),
    "Board Games": ("BRD", 32, ("Strategy Game", "Card Game", "Puzzle", "Dice Set", "Party Game", "Expansion")),
    "Gardening": ("GRD", 22, ("Pruning Shears", "Seed Box", "Watering Can", "Raised Bed", "Trowel", "Gloves")),
    "Cycling": ("CYC", 75, ("Helmet", "Bib Shorts", "Multi-Tool", "Bike Light", "Saddle", "Floor Pump")),
    "Kitchen": ("KIT", 48, ("Chef's Knife", "Cast-Iron Pan", "Stock Pot", "Chopping Board", "Whisk", "Oven Dish")),
    "Audio": ("AUD", 130, ("Headphones", "Bookshelf Speaker", "Turntable", "Earbuds", "Microphone", "Phono Cable")),
    "Yoga": ("YOG", 28, ("Mat", "Cork Block", "Strap", "Bolster", "Leggings", "Meditation Cushion")),
    "Painting": ("PNT", 26, ("Watercolour Set", "Brush Set", "Easel", "Sketchbook", "Oil Paint", "Palette")),
    "Bags": ("BAG", 85, ("Daypack", "Messenger Bag", "Duffel", "Toiletry Bag", "Card Wallet", "Tote, Waxed")),
}
"""Category -> prefix of its article numbers, usual price, what there is in it."""

BRANDS = ("Alderon", "Brightwater", "Cairn & Co", "Dovetail", "Fennick", "Halvard", "Juniper", "Kestrel", "Marlowe")
LINES = ("Classic", "Pro", "Light", "Studio", "Everyday", "No. 2", "Heritage", "Mini", "Plus", "Original")

CARTED, BOUGHT = 0.13, 0.45
"""Share of the views after which the article goes into the cart; share of these that is bought in the same visit."""
SECOND = 1000


def write_shop(folder: Path) -> tuple[Path, Path]:
    """Write ``events.csv`` and ``items.csv`` into ``folder``; they are the same every time.

    ``events.csv`` has time (ISO 8601, UTC), customer, visit, sku, action (view, cart or purchase), price and quantity;
    ``items.csv`` has sku, title, price, brand, category and stock.

    Returns:
        The paths of both.
    """
    rng = np.random.default_rng(CUSTOMERS.seed)
    log = synthesize(CUSTOMERS)
    articles = _articles(log.items, rng)
    visits = log.events.select("session_id").unique(maintain_order=True).with_row_index("visit", offset=200_000)
    events = (
        _actions(log.events, rng)
        .join(articles.select("item_id", "sku", "price"), on="item_id", how="left")
        .join(visits.select("session_id", pl.format("V{}", "visit").alias("visit")), on="session_id", how="left")
    )
    events = events.sort("timestamp", maintain_order=True).select(
        time=pl.from_epoch("timestamp", time_unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        customer=pl.format("C{}", 100_000 + pl.col("user_id").str.slice(1).cast(pl.Int64) * 37),
        visit="visit",
        sku="sku",
        action="action",
        price="price",
        quantity="quantity",
    )
    folder.mkdir(parents=True, exist_ok=True)
    events.write_csv(folder / EVENTS_CSV)
    articles.drop("item_id").write_csv(folder / ITEMS_CSV)
    return folder / EVENTS_CSV, folder / ITEMS_CSV


def _articles(items: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The catalogue: item_id of the population, and what the shop says of it."""
    rows = []
    numbers = rng.choice(90_000, len(items), replace=False) + 10_000
    names = list(DEPARTMENTS)
    themes = items["category"].unique(maintain_order=True).to_list()
    for place, (item_id, theme) in enumerate(items.select("item_id", "category").rows()):
        category = names[themes.index(theme)]
        prefix, usual, kinds = DEPARTMENTS[category]
        brand = BRANDS[rng.integers(len(BRANDS))]
        title = f"{brand} {kinds[place % len(kinds)]} {LINES[place // len(kinds) % len(LINES)]}"
        price = round(max(2.0, usual * float(rng.lognormal(0, 0.45)))) - 0.05
        stock = 0 if rng.random() < 0.06 else int(rng.geometric(0.03))
        rows.append((item_id, f"{prefix}-{numbers[place]}", title, price, brand, category, stock))
    return pl.DataFrame(rows, schema=["item_id", "sku", "title", "price", "brand", "category", "stock"], orient="row")


def _actions(clicks: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Views, and after some of them the same article goes into the cart and is bought when the visit ends.

    The latest purchase is 50 s after the last view, and visits lie 31 minutes apart: they stay visits.
    """
    views = clicks.select("user_id", "item_id", "timestamp", "session_id").with_columns(
        ends=pl.col("timestamp").max().over("session_id")
    )
    carts = views.filter(rng.random(len(views)) < CARTED)
    carts = carts.with_columns(pl.col("timestamp") + rng.integers(4 * SECOND, 20 * SECOND, len(carts)))
    bought = carts.filter(rng.random(len(carts)) < BOUGHT)
    bought = bought.with_columns(timestamp=pl.col("ends") + rng.integers(21 * SECOND, 50 * SECOND, len(bought)))
    quantity = np.minimum(rng.geometric(0.85, len(bought)), 4)
    return pl.concat(
        [
            views.with_columns(action=pl.lit("view"), quantity=pl.lit(None, pl.Int64)),
            carts.with_columns(action=pl.lit("cart"), quantity=pl.lit(None, pl.Int64)),
            bought.with_columns(action=pl.lit("purchase"), quantity=pl.Series(quantity, dtype=pl.Int64)),
        ]
    )
