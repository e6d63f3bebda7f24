"""Tables of ``mos routers list`` and ``mos routers show``."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from mos_cli.utc import utc_text
from mos_online.contracts import RouterUpdate
from mos_online.errors import ModelError
from mos_online.registry.routers import RouterHistory
from mos_online.themes import Router
from mos_online.themes.updates import revision_of


def revisions_table(history: RouterHistory) -> Table:
    """A line for each revision, newest first."""
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("revision", "router", "routes from (UTC)", "sessions", "vectors", "state"):
        table.add_column(name, overflow="fold")
    found = history.revisions()
    for one in reversed(found):
        begins = utc_text(one.effective_from, "seconds")
        try:
            update = history.read(one.sequence)
        except ModelError:
            table.add_row(str(one.sequence), one.version, begins, "", "", Text("damaged", style="bold red"))
            continue
        table.add_row(
            str(one.sequence),
            one.version,
            begins,
            f"{update.sessions:,}",
            f"{len(update.item_ids):,}",
            Text(_state(update, newest=one is found[-1]), style="bold green" if one is found[-1] else ""),
        )
    return table


def revision_table(base: Router, update: RouterUpdate) -> Table:
    """What there is to know of a revision."""
    revision = revision_of(base, update)
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    new = sum(not base.has_row(item) for item in update.item_ids)
    rows = {
        "revision": str(update.sequence),
        "router": update.version,
        "epoch": update.epoch,
        "arm": update.arm,
        "routes from (UTC)": utc_text(update.effective_from, "seconds"),
        "made from": f"{update.sessions:,} sessions, up to {utc_text(update.through_watermark, 'seconds')}",
        "vectors that differ": f"{len(update.item_ids):,}, {new:,} of items that the model's router does not know",
        "tau": f"{revision.tau:.3f} (the model's router: {base.tau:.3f})",
        "state": _state(update, newest=False) or "made by the learner",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _state(update: RouterUpdate, *, newest: bool) -> str:
    words = ["in service"] if newest else []
    if update.restores is not None:
        words.append(f"content of {update.restores or 'the base'}")
    if update.held:
        words.append("held")
    return ", ".join(words)
