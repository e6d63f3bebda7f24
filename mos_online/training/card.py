"""The model card: what is in a checkpoint, in words."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import UTC, datetime

from mos_online.training.report import TrainReport

PACKAGES = ("mos-online", "torch", "numpy", "polars")


def model_card(report: TrainReport, *, name: str, span: tuple[int, int], backbone: str) -> str:
    """Markdown; ``span``: first and last event used, ms."""
    begin, end = (datetime.fromtimestamp(t / 1000, UTC).strftime("%Y-%m-%d %H:%M") for t in span)
    rows = [("MoS", report.mos_hit_rate, report.mos_ndcg)]
    rows += [("MoS, nothing mixed in", report.alone_hit_rate, report.alone_ndcg)]
    rows += [(who, m["hit_rate_at_10"].mean, m["ndcg_at_10"].mean) for who, m in report.baselines.items()]
    table = "\n".join(f"| {who} | {hits:.4f} | {gain:.4f} |" for who, hits, gain in rows)
    themes = "\n".join(f"{number}. {label}" for number, label in enumerate(report.theme_labels[1:], 1))
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    return f"""# {report.version}

MoS on {backbone}, router {report.router_version}. Dataset {name}, {report.events:,} events from {begin} to {end} (UTC),
{report.items:,} items. {_catalogue(report)}

Split by time: themes from the oldest {report.router_events:,} events, {report.examples:,} examples after them,
{report.validation_examples:,} validation positions spread over the newest events. Early stopping looked at those, and
the weights of neighbours and popularity were learned on them, so the model's figures below are slightly optimistic.
Neighbours and baselines learn from every click at once, popularity beside the model every few clicks. The settings of
the baselines were chosen on clicks before the validation, and so was whether each leaves out what the user had.

| next click, full ranking | hit-rate@10 | NDCG@10 |
|---|---|---|
{table}

Items that share sessions started out {"alike" if report.alike else "at random"}, which was better on the validation
positions. The figures are of the model as it was then. Before it was published it learned all examples, those that
were held out among them. Half-life of item popularity: {report.half_life_hours:g} h. {report.passes} passes,
{report.seconds:g} s in all.

{_ahead(report)}

Made with {versions}, Python {platform.python_version()}.

Limits: one seed; trained on one log; items that are neither in the log nor in its catalogue are placed by their
category alone; fast catalogues need frequent retraining.

Themes:

{themes}
"""


def _ahead(report: TrainReport) -> str:
    weights = "weights of its own" if report.ahead_learned else "the weights of a list for now"
    moment = f"{report.ahead_hours:.2g} h later" if report.ahead_hours else "at that moment"
    had = "in its place" if report.ahead_repeats else "last"
    made = (
        f"A list that is made when a session closes, for the next one, has {weights}. It reads the user as {moment}, "
        f"and what the user had is {had} in it."
    )
    if not report.ahead_examples:
        return made
    return (
        f"{made} Its NDCG@10 of the first click of the next session is {report.ahead_ndcg:.4f}, on "
        f"{report.ahead_examples:,} held-out sessions on which this was chosen. A list for now at the same moments "
        f"reaches {report.ahead_as_now_ndcg:.4f}."
    )


def _catalogue(report: TrainReport) -> str:
    listed = f"Of its catalogue, {report.listed:,} further items can be recommended that nobody had clicked."
    if not report.content:
        return f"Nothing is known of them but their clicks and categories. {listed if report.listed else ''}".strip()
    return f"What the catalogue says of items is read as {report.content} numbers. {listed}"
