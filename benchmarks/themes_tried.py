"""What do other numbers of themes give, none, two themes for a session, or themes of the newest days?

    python benchmarks/themes_tried.py [--dataset gowalla_1000_users --dataset ...] [--data DIR] [--seeds 1] [--epochs 6]
                                      [--examples 15000] [--users 1.0] [--ways "8 themes,no themes,two themes"]

Fits MoS on the log without its test, one way of routing after the other, and judges it on validation. What the items'
vectors have of routing is the same for all. Prints Markdown: the mean log chance of the next click and NDCG@10 of the
model alone, their differences from 8 themes with 95 % intervals over the users, and what counting alone says of the
themes: the mean log chance of the items of the next session, by the themes that its user had before, in nats over that
without themes. It is computed on the events before the examples, on the newest tenth of their sessions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from evaluation.candidates.sizes import Sizes
from evaluation.protocol.data import ExperimentConfig, ExperimentData
from evaluation.protocol.fitting import FitConfig, fit_requests
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.split import SplitConfig
from evaluation.routing.routings import unrouted
from mos_online.arrays import Floats, Ints
from mos_online.metrics.bootstrap import paired_bootstrap
from mos_online.model import MoS, SequenceModel
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.training.ranking import CatalogueRanking
from mos_online.training.routing import Routing, describe_items, themes_of_events, themes_of_items
from mos_online.training.sequence_log import SequenceLog
from simulator.datasets import load

LOGS = ["amazon_beauty", "gowalla_1000_users", "movielens_100k", "yelp_2019", "steam_australian"]
REFERENCE = 8
VALIDATION_ENDS = 0.9
NEAR = 0.8
"""A session is in a second theme, too, if that is so near to it, as a part of how near the first one is."""
SMOOTHING = 50.0


@dataclass(frozen=True)
class Way:
    """A way of routing: themes of sessions and items, and a second theme of each event where there is one."""

    routing: Routing
    router: Router | None = None
    second: Ints | None = None


class TwoRings(SequenceLog):
    """Histories in which a session may be in the rings of two themes."""

    def second(self, theme: Ints) -> TwoRings:
        """Add each event to the ring of a second theme; 0: to none."""
        again = np.flatnonzero(theme)
        keys = (self.users[again] * (self._themes + 1) + theme[again]) * self._stride + self.session_end[again]
        whole, events = np.concatenate([self._keys, keys]), np.concatenate([self._by_theme, again])
        order = np.argsort(whole, kind="stable")
        self._by_theme, self._keys = events[order], whole[order]
        changed = np.diff(self._keys, prepend=-1) != 0
        self._visits = np.concatenate([[0], np.cumsum(changed)]).astype(np.int64)
        return self


def by_router(data: ExperimentData, router: Router, *, two: bool = False) -> Way:
    """Route by a router."""
    routing = replace(
        data.routing,
        event_theme=themes_of_events(data.log.events, router, data.log.categories),
        item_theme=themes_of_items(router, data.catalogue, data.log),
        themes=router.n_themes,
    )
    return Way(routing, router, second_themes(data, router, routing) if two else None)


def second_themes(data: ExperimentData, router: Router, routing: Routing) -> Ints:
    """The second theme of each event's session, int64 (n,), 0 where it is not near enough."""
    session = data.log.sessions
    names = data.log.events["item_id"].gather(np.argsort(session, kind="stable")).to_list()
    lengths: list[int] = np.bincount(session).tolist()
    cosines = router.embeddings(names, data.log.categories_of(names), lengths) @ router.prototypes.T
    best = np.sort(cosines, 1)
    second = np.argsort(cosines, 1)[:, -2] + 1
    kept = np.where(best[:, -2] >= NEAR * best[:, -1], second, 0)[session]
    return np.where(routing.event_theme > 0, kept, 0).astype(np.int64)


def fitted_router(data: ExperimentData, themes: int, newest: int = RouterConfig.newest) -> Router:
    """A router of so many themes, of the events before the examples."""
    return fit_router(data.past(0), data.log.items, RouterConfig(themes=themes, newest=newest))


def ways(data: ExperimentData) -> dict[str, Callable[[], Way]]:
    """All ways that can be tried."""
    made: dict[str, Callable[[], Way]] = {
        f"{REFERENCE} themes": lambda: by_router(data, fitted_router(data, REFERENCE)),
        "no themes": lambda: Way(unrouted(data, 0)),
        "two themes": lambda: by_router(data, fitted_router(data, REFERENCE), two=True),
        "newest third": lambda: by_router(data, fitted_router(data, REFERENCE, len(data.past(0)) // 3)),
    }
    numbers = (1, 4, 16, 32)
    return made | {f"{n} themes": partial(lambda n: by_router(data, fitted_router(data, n)), n) for n in numbers}


def counted(data: ExperimentData, way: Way) -> float:
    """What counting says of the themes, in nats of a click over themes that are not known."""
    if way.router is None or way.routing.themes < 2:
        return 0.0
    end = data.split.borders[0]
    past = data.log.times < end
    first = np.unique(data.log.sessions[past], return_index=True)[1]
    border = np.quantile(data.log.times[past][first], 0.9)
    theme, item, user = way.routing.event_theme[past], data.item_rows[past], data.log.users[past]
    session, when = data.log.sessions[past], data.log.times[past]
    old = when < border
    width, count = len(data.catalogue.items) + 1, way.routing.themes + 1
    table = (
        np.bincount(theme[old] * width + item[old], minlength=count * width).reshape(count, width).astype(np.float64)
    )
    overall = (table.sum(0) + 0.5) / (table.sum() + 0.5 * width)
    shares = (table + SMOOTHING * overall) / (table.sum(1, keepdims=True) + SMOOTHING)
    found: list[float] = []
    of_all = table.sum(1) / table.sum()
    for begin, stop in _users(user):
        starts = begin + np.unique(session[begin:stop], return_index=True)[1]
        had = np.zeros(count)
        last = -1
        for one, until in zip(starts, [*starts[1:], stop], strict=True):
            if when[one] >= border and last >= 0:
                chances = had + of_all
                chances[last] += 1
                chances /= chances.sum()
                found += (np.log(chances @ shares[:, item[one:until]]) - np.log(overall[item[one:until]])).tolist()
            last = int(theme[one])
            had[last] += 1
    return float(np.mean(found)) if found else 0.0


def _users(user: Ints) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(user, prepend=-1, append=-1))
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def measured(data: ExperimentData, way: Way, arguments: argparse.Namespace, seed: int) -> tuple[Floats, Floats, Ints]:
    """Log chance and NDCG@10 of each judged target that was known, and its user."""
    routing, config = way.routing, Sizes().config(data.catalogue, "pooling", way.routing, gap_ms=data.log.gap_ms)
    sequences = TwoRings(data.log.events, data.catalogue, routing.event_theme, routing.themes)
    if way.second is not None:
        sequences = sequences.second(way.second)

    def made(alike: bool) -> SequenceModel:
        torch.manual_seed(seed)
        model = MoS(config)
        describe_items(model, data.catalogue, routing, data.known)
        if alike:
            model.start_from(data.first_rows(config.width))
        return model

    budget = FitConfig(epochs=arguments.epochs)
    rate = budget.rates[0]
    model = fit_requests(made, data.train, data.validation, sequences, config=budget, rate=rate, seed=seed).model
    return _judged(model, data, sequences)


@torch.inference_mode()
def _judged(model: SequenceModel, data: ExperimentData, sequences: SequenceLog) -> tuple[Floats, Floats, Ints]:
    model.eval()
    ranking, examples = CatalogueRanking(model), RequestSet(data.test, sequences, model.config)
    logs, gains, users = [], [], []
    for number, request in enumerate(data.test):
        one = examples.examples([number])
        scores, unknown = ranking.scores(one)
        rank = ranking.rank(one, scores, unknown, request.log_share).rank.numpy()
        chances = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
        own = chances.gather(1, ranking.slot[one.targets.clamp(min=1)].unsqueeze(1)).squeeze(1).numpy()
        kept = rank > 0
        logs.append(own[kept])
        gains.append(np.where(rank[kept] <= 10, 1 / np.log2(rank[kept] + 1.0), 0.0))
        users.append(data.log.users[request.positions][kept])
    return np.concatenate(logs).astype(np.float64), np.concatenate(gains), np.concatenate(users)


def experiment(name: str, arguments: argparse.Namespace) -> ExperimentData:
    """The log without its test, and perhaps with some of its users only."""
    log = load(name, arguments.data)
    events = log.clicks
    end = np.quantile(events["timestamp"].to_numpy(), VALIDATION_ENDS, method="higher")
    events = events.filter(pl.col("timestamp") < end)
    if arguments.users < 1:
        users = events["user_id"].unique().sort().sample(fraction=arguments.users, seed=0)
        events = events.filter(pl.col("user_id").is_in(users.implode()))
    cuts = SplitConfig(
        router=0.5 / VALIDATION_ENDS,
        train=0.7 / VALIDATION_ENDS,
        validation=0.8 / VALIDATION_ENDS,
        examples=arguments.examples,
        judged=arguments.judged,
        tested=arguments.tested,
    )
    config = ExperimentConfig(split=cuts, themes=REFERENCE, fresh=16)
    return ExperimentData(events, log.items, sessions=log.session_rules(SessionConfig()), config=config, name=name)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", action="append")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--examples", type=int, default=15_000)
    parser.add_argument("--judged", type=int, default=800)
    parser.add_argument("--tested", type=int, default=2_000)
    parser.add_argument("--users", type=float, default=1.0)
    parser.add_argument("--ways", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| log | seed | routing | counted | log chance | NDCG@10 | log chance over 8 themes | NDCG@10 over 8 themes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.dataset or LOGS:
        data = experiment(name, arguments)
        known = ways(data)
        for seed in range(arguments.seeds):
            reference: tuple[Floats, Floats] | None = None
            for label in arguments.ways.split(",") if arguments.ways else known:
                way = known[label]()
                logs, gains, users = measured(data, way, arguments, seed)
                reference = reference or (logs, gains)
                cells = [f"{counted(data, way):.4f}", f"{logs.mean():.4f}", f"{gains.mean():.4f}"]
                for ours, theirs in zip((logs, gains), reference, strict=True):
                    found = paired_bootstrap(ours, theirs, users, draws=2_000)
                    cells.append(f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]")
                print(f"| {name} | {seed} | {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
