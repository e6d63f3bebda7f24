"""What an import shows: which column is what, and what became of the rows."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from rich.markup import escape
from rich.table import Table

from mos_cli.utc import utc_text
from mos_online.contracts import EventTypes
from simulator.datasets.ids import as_text
from simulator.datasets.times import unit_name
from simulator.importing.columns import Columns
from simulator.importing.plan import unused_names
from simulator.importing.roles import ROLES, Role
from simulator.importing.run import Outcome, Source

MANY_TYPES = 20
_LIKE = {
    "exposure": ("impression", "impressions", "exposure", "shown"),
    "3": ("addtocart", "add_to_cart", "add-to-cart", "wishlist", "like", "fav", "favourite", "favorite", "share"),
    "0": ("removefromcart", "remove_from_cart", "remove-from-cart"),
    "5": ("transaction", "buy", "order", "orders", "sale", "pay", "checkout"),
}
"""Meaning -> types for which it is proposed."""


def columns_table(columns: Columns, sample: pl.DataFrame) -> Table:
    """Which column is what, how that was found, and an example."""
    table = Table("", "column", "found", "example", "read as", box=None, pad_edge=False)
    for role, names in ROLES.items():
        choice = columns.by_role.get(role)
        if choice is not None:
            example = _example(sample[choice.column])
            table.add_row(f"--{role}", escape(choice.column), choice.why, escape(example), _read_as(role, columns))
        elif role == "type":
            table.add_row("--type", f"={columns.constant}", "no such column", "", "every event is one")
        elif names.required or role == "session":
            table.add_row(f"--{role}", "", "none", "", "")
    unused = [name for name in sample.columns if name not in {*columns.used, columns.of("time")}]
    if unused:
        table.add_row("", "", "", "", "")
        table.add_row("not used", escape(", ".join(unused)), "", "", "")
    return table


def _example(column: pl.Series) -> str:
    text = as_text(column.drop_nulls().head(1))
    return "" if text is None or text.is_empty() else text[0][:40]


def _read_as(role: Role, columns: Columns) -> str:
    if role == "time":
        return escape(unit_name(columns.unit))
    if role == "type" and columns.renamed:
        return escape(", ".join(f"{found} → {kept}" for found, kept in columns.renamed.items()))
    return ROLES[role].meaning


def found_lines(outcome: Outcome, source: Source, *, event_types: str) -> Iterator[str]:
    """What is in the events, line by line."""
    seen = outcome.seen
    if seen.first is not None and seen.last is not None:
        yield f"from {utc_text(seen.first)} to {utc_text(seen.last)} UTC"
    if outcome.repeats:
        yield f"{outcome.repeats:,} rows are equal to an earlier one; they are kept"
    yield from _items(outcome, source)
    yield from _types(outcome, source, EventTypes.parse(event_types), event_types)


def _items(outcome: Outcome, source: Source) -> Iterator[str]:
    if outcome.matched is None:
        known = f", {len(outcome.items):,} of them in the catalogue that the events make" if len(outcome.items) else ""
        yield f"items: {outcome.sold:,}{known}; --items gives titles and categories"
        return
    share = outcome.matched / outcome.sold
    yield (
        f"items: {outcome.sold:,}, of which {outcome.matched:,} ({share:.1%}) are in the catalogue of "
        f"{len(outcome.items):,}"
    )
    catalogue = source.catalogue
    if catalogue is not None and (catalogue.refused or catalogue.repeated):
        yield (
            f"  catalogue: {catalogue.refused:,} rows without an item id are left out, {catalogue.repeated:,} rows are "
            "replaced by a later one of the same item"
        )


def _types(outcome: Outcome, source: Source, types: EventTypes, table: str) -> Iterator[str]:
    """The event types, what they mean, and the setting for those that nobody has declared."""
    counts = outcome.seen.types
    shown = [f"{kind} {count:,} ({_meaning(types, kind)})" for kind, count in counts.most_common(MANY_TYPES)]
    more = f" and {len(counts) - MANY_TYPES} more" if len(counts) > MANY_TYPES else ""
    yield escape(f"event types: {', '.join(shown)}{more}")
    if source.plan.columns is not None:
        for kept in unused_names(source.plan.columns, counts):
            yield escape(f"  no event has become {kept}: the type that was to be renamed does not occur")
    undeclared = [kind for kind, _ in counts.most_common(MANY_TYPES) if not types[kind].declared]
    if undeclared:
        added = ",".join(f"{kind}:{_proposed(kind)}" for kind in undeclared if "," not in kind)
        yield "  types that MOS_EVENT_TYPES does not name count as the others; to say what they mean, set"
        yield escape(f"  export MOS_EVENT_TYPES='{added},{table}'")


def _meaning(types: EventTypes, kind: str) -> str:
    found = types[kind]
    return f"weight {found.weight:g}" if found.kind == "action" else found.kind


def _proposed(kind: str) -> str:
    plain = kind.strip().casefold()
    return next((meaning for meaning, names in _LIKE.items() if plain in names), "1")
