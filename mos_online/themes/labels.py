"""Names for themes that a person can read."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def theme_labels(events: pl.DataFrame, items: pl.DataFrame, themes: Mapping[str, int], count: int) -> list[str]:
    """Name each theme by the categories, or failing those the items, that set it apart.

    A category scores by its share of the theme's clicks times the logarithm of its lift over all clicks, so that it is
    both frequent in the theme and more frequent there than elsewhere.

    Args:
        events: column item_id, one row per event.
        items: columns item_id, title, category.
        themes: item -> theme 1..K.
        count: K.

    Returns:
        K + 1 names; index 0 is "unrouted".
    """
    routed = pl.DataFrame({"item_id": list(themes), "theme": list(themes.values())})
    named = items.select("item_id", "title", "category").unique("item_id", maintain_order=True)
    clicks = events.group_by("item_id").len("n").join(routed, on="item_id").join(named, on="item_id", how="left")
    clicks = clicks.with_columns(word=pl.coalesce("category", "title", "item_id"))
    share = (
        clicks.group_by("theme", "word")
        .agg(pl.col("n").sum())
        .with_columns(
            inside=pl.col("n") / pl.col("n").sum().over("theme"),
            overall=pl.col("n").sum().over("word") / pl.col("n").sum(),
        )
    )
    scored = share.with_columns(score=pl.col("inside") * (pl.col("inside") / pl.col("overall")).log())
    ranked = scored.filter(pl.col("score") > 0).sort(["score", "word"], descending=[True, False])
    titles = clicks.filter(pl.col("title").is_not_null() & pl.col("category").is_not_null()).sort(
        ["n", "item_id"], descending=[True, False]
    )
    labels = ["unrouted"]
    for theme in range(1, count + 1):
        words = ranked.filter(pl.col("theme") == theme)["word"].head(2).to_list()
        best = titles.filter((pl.col("theme") == theme) & pl.col("category").is_in(words))["title"].head(2).to_list()
        name = ", ".join(words) or f"theme {theme}"
        labels.append(f"{name} ({'; '.join(best)})" if best else name)
    return labels
