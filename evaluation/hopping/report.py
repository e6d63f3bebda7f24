"""What is found about the structure of a log: the verdict, its reasons, a table row and plots."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich import box
from rich.table import Table

from evaluation.hopping.analysis import Analysis, Hopping
from evaluation.hopping.plots import draw
from evaluation.hopping.verdict import Answer, interval, verdict, warnings

HEADINGS = (
    "dataset", "users", "events", "median sessions", "> 20 events", "cosine inside / across / random",
    "inside − across (95 %)", "routed", "hop rate / shuffled / by time", "rate − shuffled (95 %)",
    "rate − by time (95 %)", "returns / shuffled",
    "category inside / across / random", "repeats", "late clicks on new items", "verdict",
)  # fmt: skip


def table() -> Table:
    """An empty table, in the form that Markdown reads."""
    return Table(*HEADINGS, box=box.MARKDOWN)


def row(name: str, figures: Hopping) -> list[str]:
    """The row of one dataset, by ``HEADINGS``."""
    extent, hops, cosine, category = figures.extent, figures.hops, figures.cosine, figures.category
    return [
        name,
        f"{extent.users:,}",
        f"{extent.events:,}",
        f"{extent.sessions_per_user[2]:g}",
        f"{extent.over_20:.1%}",
        f"{cosine.inside:.3f} / {cosine.across:.3f} / {cosine.random:.3f}",
        interval(cosine.difference.mean, cosine.difference.low, cosine.difference.high),
        f"{figures.routed:.0%}",
        f"{hops.rate:.3f} / {hops.shuffled:.3f} / {hops.by_time:.3f}",
        interval(hops.difference.mean, hops.difference.low, hops.difference.high),
        interval(hops.beyond_time.mean, hops.beyond_time.low, hops.beyond_time.high),
        f"{hops.returns:.3f} / {hops.returns_shuffled:.3f}",
        f"{category.inside:.3f} / {category.across:.3f} / {category.random:.3f}" if category else "–",
        f"{extent.repeats:.1%}",
        f"{extent.new_items:.1%}",
        verdict(figures).word,
    ]


def note(name: str, figures: Hopping) -> str:
    """The verdict in words, for the console."""
    found = verdict(figures)
    marks = {Answer.YES: "[green]yes[/] ", Answer.NO: "[red]no[/]  ", Answer.OPEN: "[yellow]open[/]"}
    lines = [f"[bold]{name}[/]: [bold]{found.word}[/]; how much MoS gains from it, `mos evaluate` measures"]
    lines += [f"  {marks[check.answer]} {check.name}: {check.why}" for check in found.checks]
    return "\n".join(lines + [f"  [yellow]beware[/] {text}" for text in warnings(figures)])


def write_report(analysis: Analysis, name: str, folder: Path) -> None:
    """Write ``hopping.json`` and the figures."""
    draw(analysis, name, folder)
    document = {
        "dataset": name,
        "verdict": verdict(analysis.figures),
        "warnings": warnings(analysis.figures),
        "figures": analysis.figures,
    }
    (folder / "hopping.json").write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1))
