"""What learning from the stream is worth on a log of news: frozen, updated every six hours, and online.

    MOS_DATA_DIR=... python benchmarks/news_walk_forward.py [--share 0.2] [--start 4] [--hours 24] [--judged 300]
                                                          [--epochs 6]

A model and a router are trained on some days of the log, of a share of its users. Then the log goes on in event time,
and three ways of learning go with it:

- frozen: model and router stay;
- updated: every six hours the model is fine-tuned; the router stays;
- online: every hour the model is fine-tuned, and the router is revised, as `mos learn` does it.

A fine-tuning is that of the product: it needs 200 clicks to judge by, and what the gate refuses is not promoted. The
router looks for what is due every quarter of an hour of event time. Every hour each way is judged on clicks of that
hour, before it learns from them: the whole catalogue is ranked, with live popularity and co-clicks, in all three ways.
Of an item that is new in the hour all know the row that its sessions of the hour give it. Prints Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import polars as pl
import torch

from mos_online.arrays import Floats
from mos_online.contracts import EventTypes, LearningEvent, RouterUpdate, Session
from mos_online.errors import DatasetError
from mos_online.feedback.rules import JoinRules
from mos_online.fine_tuning import attempt
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.cycle import fine_tune
from mos_online.fine_tuning.history import History
from mos_online.fine_tuning.judged import judge
from mos_online.fine_tuning.routed import routed_in_service
from mos_online.fine_tuning.warm_start import grown, grown_catalogue
from mos_online.items.user_limits import UserLimits
from mos_online.learning.part import LearningBatch
from mos_online.learning.router_part import RouterPart
from mos_online.metrics.bootstrap import paired_bootstrap
from mos_online.metrics.ranking import clustered_mean
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.registry import Registry
from mos_online.registry.revisions import routers_of
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from mos_online.themes import Router, load_router
from mos_online.training import TrainConfig, train
from mos_online.training.click_log import ClickLog
from mos_online.training.examples import ExampleLog
from mos_online.training.moments import moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.sequence_log import SequenceLog
from simulator.dataset import Dataset
from simulator.datasets.loader import load
from simulator.loop.log_clicks import clicks_of
from simulator.loop.stream import VirtualStream

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TYPES = EventTypes.parse("*:1")
RULES = SessionConfig(event_types="*:1")
HISTORY = 36 * HOUR
"""Clicks from so long before an hour are in the histories that it is judged with."""
TRAINED = 3 * DAY
REVISED_EVERY = 15 * MINUTE
SHADOW = 80
"""Requests that shadow asks, which is about the latency of answers."""


class Judged(NamedTuple):
    """Of clicks of an hour: who clicked, and what a way made of it. float64 (n,), users are names."""

    users: list[str]
    auc: Floats
    ndcg: Floats


class RegistryShelf:
    """Revisions go into a registry, and are in service with that."""

    def __init__(self, registry: Registry) -> None:
        self.told: Counter[str] = Counter()
        self._registry = registry

    def base(self, model: str | None) -> Router:
        """The router of the model."""
        return load_router(self._registry.fetch(model or "champion"))

    def newest(self, epoch: str, arm: str) -> RouterUpdate | None:
        """As the registry has it."""
        return self._registry.routers(epoch, arm).newest()

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        """Store it."""
        return self._registry.routers(update.epoch, update.arm).add(update)

    def announce(self, update: RouterUpdate) -> None:
        """Nobody waits for it."""

    def tend(self) -> None:
        """Nothing is on its way."""

    def tell(self, event: LearningEvent) -> None:
        """Count what was decided."""
        self.told[event.kind] += 1


class Way:
    """One way of learning.

    Attributes:
        name: for the table.
        every: hours from one fine-tuning to the next; None: none.
        judged: of each hour.
        results: what became of the fine-tunings.
        shelf: of the revisions; None if there are none.
    """

    def __init__(self, name: str, folder: Path, model: Path, *, every: int | None, revised: bool) -> None:
        """Begin with a model."""
        self.name, self.every = name, every
        self.judged: list[Judged] = []
        self.results: Counter[str] = Counter()
        self._folder, self._registry = folder, Registry(folder / "models")
        self._registry.promote(self._registry.add(model), lambda _: None)
        self.shelf = RegistryShelf(self._registry) if revised else None
        self._router = RouterPart(self.shelf) if self.shelf else None

    def revise(self, batch: LearningBatch) -> None:
        """Give the router what came to be known."""
        if self._router is not None:
            self._router.take(batch)
            self._router.step(batch.event_time)

    def tune(self, sessions: Sequence[Session], earlier: Sequence[Session], hour: int) -> None:
        """Fine-tune, if it is time to."""
        if self.every is None or hour % self.every:
            return
        config = FineTuneConfig(minutes=60, seed=hour, threads=1)
        history = History(self._folder)
        try:
            with patch.object(attempt, "REQUESTS", SHADOW):
                found = fine_tune(
                    self._registry,
                    sessions,
                    history,
                    types=TYPES,
                    gap_ms=RULES.gap,
                    config=config,
                    why="it is time",
                    earlier=earlier,
                )
        except DatasetError:
            self.results["too little"] += 1
        else:
            self.results[found.result] += 1

    def judge(self, sessions: Sequence[Session], begin: int, end: int, most: int) -> None:
        """Rank for clicks between two times (ms), with what is known at the first of them."""
        champion = ModelCheckpoint.from_pretrained(self._registry.fetch("champion"))
        routers = routers_of(self._registry, champion.router)
        log = ClickLog.of_sessions(sessions, TYPES, gap_ms=RULES.gap)
        catalogue = grown_catalogue(champion, log)
        routing = routed_in_service(log, catalogue, sessions, routers)
        low, high = np.searchsorted(log.times[log.order], [begin, end])
        chosen = log.order[low:high][:: max(1, (high - low) // most)]
        walk = moments(
            log,
            catalogue,
            chosen,
            size=TrainConfig.fresh,
            half_life_ms=champion.half_life_ms,
            known=len(champion.items),
        )
        rules = CoClickRules(half_life_ms=champion.co_click_half_life_ms, window_ms=RULES.gap)
        examples = ExampleLog(
            moments=list(with_neighbours(walk, log, catalogue, rules)),
            log=SequenceLog(log.events, catalogue, routing.event_theme, routing.themes),
            config=champion.model.config,
        )
        rows = catalogue.rows_of(log.before(begin)["item_id"].to_list())
        counts = np.bincount(rows, minlength=len(catalogue.items) + 1) + 0.5
        share = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
        model = grown(champion, catalogue, routing, routers.newest(), gap_ms=log.gap_ms)
        found = judge(model, examples, share, known=len(champion.items))
        self.judged.append(Judged(log.events["user_id"][chosen].to_list(), found.auc, found.ndcg))


def some_users(dataset: Dataset, share: float, begin: int, end: int) -> pl.DataFrame:
    """The clicks of a share of the users between two times (ms)."""
    chosen = pl.col("user_id").hash(seed=0) % 1000 < round(1000 * share)
    return dataset.clicks.filter(chosen, pl.col("timestamp").is_between(begin, end, closed="left"))


def row(way: Way, frozen: Way, other: Way) -> str:
    """A line of the table."""

    def of(one: Way, metric: str) -> tuple[Floats, list[str]]:
        users = [user for hour in one.judged for user in hour.users]
        return np.concatenate([getattr(hour, metric) for hour in one.judged]), users

    cells = []
    for metric in ("auc", "ndcg"):
        (own, users), base, six = of(way, metric), of(frozen, metric)[0], of(other, metric)[0]
        there = np.isfinite(own) & np.isfinite(base) & np.isfinite(six)
        kept = np.array(users)[there].tolist()
        cells.append(f"{clustered_mean(own[there].tolist(), kept).mean:.4f}")
        for reference, values in ((frozen, base), (other, six)):
            gain = paired_bootstrap(own[there], values[there], kept)
            cells.append("" if reference is way else f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")
    return f"| {way.name} | {' | '.join(cells)} |"


def closed_sessions(clicks: pl.DataFrame) -> list[Session]:
    """All sessions as the stream closes them, in the order in which it does."""
    limits = UserLimits(per_item=5.0, in_all=100.0)
    stream = VirtualStream(RULES, JoinRules(), limits, half_life_ms=DAY, co_click_half_life_ms=DAY)
    for click in clicks_of(clicks, {}):
        stream.send(click)
    return stream.pass_time(int(clicks["timestamp"][-1]) + DAY, learn=False).sessions


def walk(ways: Sequence[Way], sessions: Sequence[Session], start: int, hours: int, most: int) -> None:
    """Let event time pass from ``start`` (ms) on."""
    earlier = [one for one in sessions if one.watermark <= start]
    for hour in range(hours):
        begin, end = start + hour * HOUR, start + (hour + 1) * HOUR
        around = [one for one in sessions if one.started_at < end and one.ended_at >= begin - HISTORY]
        known = [one for one in sessions if start < one.watermark <= end]
        for way in ways:
            way.judge(around, begin, end, most)
            for quarter in range(begin, end, REVISED_EVERY):
                until = quarter + REVISED_EVERY
                way.revise(
                    LearningBatch(sessions=[one for one in known if quarter < one.watermark <= until], event_time=until)
                )
            way.tune(known, earlier, hour + 1)


def main() -> None:
    """Train, walk, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.2, help="of the users")
    parser.add_argument("--start", type=float, default=4.0, help="days after the first click of the log")
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--judged", type=int, default=300, help="clicks of an hour, at most about so many")
    parser.add_argument("--epochs", type=int, default=6, help="of the training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load("globo_news", Settings().data_dir)
    start = int(dataset.clicks["timestamp"][0]) + round(options.start * DAY)
    end = start + options.hours * HOUR
    past = some_users(dataset, options.share, start - TRAINED, start)
    config = TrainConfig(minutes=60, epochs=options.epochs, examples=30_000, threads=1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        first = Registry(home / "first")
        train(past, dataset.items, first, sessions=RULES, config=config, name="globo_news", on_progress=lambda *_: None)
        model = first.fetch("candidate")
        ways = [
            Way("frozen", home / "frozen", model, every=None, revised=False),
            Way("updated every 6 hours", home / "updated", model, every=6, revised=False),
            Way("online", home / "online", model, every=1, revised=True),
        ]
        sessions = closed_sessions(some_users(dataset, options.share, start - HISTORY, end + RULES.gap))
        walk(ways, sessions, start, options.hours, options.judged)
    clicks = sum(len(hour.users) for hour in ways[0].judged)
    print(f"trained on {len(past):,} clicks; {clicks:,} of the next {options.hours} hours are judged\n")
    of = "frozen | - updated"
    print(f"| | GAUC | - {of} | NDCG@10 | - {of} |\n|---{6 * '|---'}|")
    print(*(row(way, ways[0], ways[1]) for way in ways), sep="\n")
    print()
    for way in ways[1:]:
        revisions = f"; revisions: {dict(way.shelf.told)}" if way.shelf else ""
        print(f"{way.name}: fine-tunings {dict(way.results)}{revisions}")


if __name__ == "__main__":
    main()
