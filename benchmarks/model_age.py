"""How good the lists of a model are, the longer it serves without learning.

    MOS_DATA_DIR=... python benchmarks/model_age.py MODELS --dataset globo_news [--start 0.8] [--clicks 40000]
                                                           [--parts 5] [--fixed]

MODELS is a model registry whose champion was trained on the clicks before ``--start``, such as that of
`mos train --until 0.8`, or the folder ``demo/models`` of a demo. The clicks after it are answered by the real
recommender on a virtual clock. Popularity and co-clicks are live, a hundred clicks old at most. Beside it are
popularity and item-kNN, which know every click at once; their settings are those that `mos train` chose. The column
*without* is MoS, where all that the user had is excluded from its lists.

When a session closes, all make a list for the user's next one, whose first click judges it. The column *as now* is MoS
that makes it as a list for now.

Prints Markdown: NDCG@10 of the next click by the age of the model, at the start of sessions, inside them, and for the
next session.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from mos_cli.demo.log import DemoLog, cut
from mos_online.baselines import HadItems, LastItemKnn, RecentPopularity
from mos_online.contracts import Click, Session
from mos_online.metrics import PrequentialJudge
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.registry.model_config import load_config
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from simulator.datasets.loader import load
from simulator.loop.compose import StreamRules, loop_with
from simulator.loop.config import HOUR
from simulator.loop.log_clicks import clicks_of
from simulator.loop.log_visitors import LogVisitors
from simulator.loop.served import Served

PAST = 300_000
"""Clicks before the start that are in the profiles and in the counts."""

K = 10
START, INSIDE, NEXT = "start of a session", "inside a session", "the next session"


class Watched(Served):
    """Notes its lists, and those of the others, before the click that follows."""

    def __init__(
        self, folder: Path, clicks: Sequence[Click], past: Sequence[Click], *, parts: int, gap_ms: int, fixed: bool
    ) -> None:
        """Serve the model in the folder to the users of these clicks."""
        stated = load_config(folder)
        super().__init__("mos", Recommender.load(folder, live_mixing=not fixed), stated.sizes)
        self.judge, self.judge_ahead = PrequentialJudge(), PrequentialJudge()
        self.clicks, self._parts, self._answered = clicks, parts, 0
        self._lists = 0
        self._waiting: dict[str, list[str]] = defaultdict(list)
        chosen = ModelCheckpoint.from_pretrained(folder).training
        self._repeats = chosen["popularity_repeats"], chosen["knn_repeats"]
        self._popularity = RecentPopularity(half_life_ms=stated.half_life_ms)
        self._knn = LastItemKnn(
            gap_ms=gap_ms,
            half_life_ms=stated.co_click_half_life_ms,
            fill=self._popularity,
            resumes=chosen["knn_resumes"],
        )
        self._had = HadItems()
        for click in past:
            self._learn(click)

    def rank(self, queries: Sequence[Query]) -> list[Ranking]:
        """Rank for these users, who click next what the log says."""
        lists = super().rank(queries)
        fewer = super().rank(
            [msgspec.structs.replace(one, exclude=sorted(self._had.of(one.user_id)), teaches=False) for one in queries]
        )
        for query, plain, without in zip(queries, lists, fewer, strict=True):
            click, number = self.clicks[self._answered], str(self._answered)
            part = self._answered * self._parts // len(self.clicks)
            self._answered += 1
            answers = {"MoS": _items(plain), "without": _items(without), **self._counting(query.user_id)}
            self.judge.ask(number, query.user_id, f"{INSIDE if query.events else START}/{part}", answers)
            self.judge.settle(number, click.item_id)
            for asked in self._waiting.pop(query.user_id, ()):
                self.judge_ahead.settle(asked, click.item_id)
            self._learn(click)
        return lists

    def close(self, sessions: Sequence[Session]) -> list[int]:
        """Close sessions, and make lists for the next ones of their users."""
        themes = super().close(sessions)
        if not self._answered:
            return themes
        queries = [
            Query(user_id=one.user_id, profile=None, events=[], timestamp=one.watermark, k=K, exclude=[], ahead=True)
            for one in sessions
        ]
        as_now = [msgspec.structs.replace(one, ahead=False) for one in queries]
        without = [msgspec.structs.replace(one, exclude=sorted(self._had.of(one.user_id))) for one in queries]
        ways = {"MoS": queries, "as now": as_now, "without": without}
        lists = {name: super(Watched, self).rank(asked) for name, asked in ways.items()}
        part = (self._answered - 1) * self._parts // len(self.clicks)
        for place, session in enumerate(sessions):
            answers = {name: _items(found[place]) for name, found in lists.items()}
            self._lists += 1
            number = f"list {self._lists}"
            self.judge_ahead.ask(number, session.user_id, f"{NEXT}/{part}", answers | self._counting(session.user_id))
            self._waiting[session.user_id].append(number)
        return themes

    def _counting(self, user: str) -> dict[str, list[str]]:
        """The lists of those who count."""
        had = list(self._had.of(user))
        return {
            "popularity": self._popularity.top(K, () if self._repeats[0] else had),
            "item-kNN": self._knn.top(user, K, () if self._repeats[1] else had),
        }

    def _learn(self, click: Click) -> None:
        for learner in (self._popularity, self._knn, self._had):
            learner.observe(click)


def _items(ranking: Ranking) -> list[str]:
    return [item.item_id for item in ranking.items]


def watched(
    folder: Path, log: DemoLog, rules: SessionConfig, *, parts: int = 1, fixed: bool = False, refresh: int = 100
) -> Watched:
    """Replay the later part of a log to the model in the folder; counts are ``refresh`` clicks old at most."""
    categories = log.before.categories
    clicks = list(clicks_of(log.replayed, categories))
    past = list(clicks_of(log.before.clicks.tail(PAST), categories))
    way = Watched(folder, clicks, past, parts=parts, gap_ms=rules.gap, fixed=fixed)
    visitors = LogVisitors(log.replayed, categories, gap=rules.gap, length=K)
    half_lives = way.recommender.half_life_ms, way.recommender.co_click_half_life_ms
    loop = loop_with(visitors, past, [way], StreamRules(sessions=rules), half_lives=half_lives, refresh=refresh)
    loop.run(clicks[-1].timestamp + 1 - loop.begin)
    return way


def main() -> None:
    """Replay, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--start", default="0.8", help="a share of the clicks, or a time")
    parser.add_argument("--clicks", type=int, default=40_000)
    parser.add_argument("--parts", type=int, default=5, help="of the clicks, one after the other")
    parser.add_argument(
        "--fixed", action="store_true", help="mixed in as the training has found, MOS_LIVE_MIXING=false"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = load(options.dataset, Settings().data_dir)
    log = cut(whole, start=options.start, count=options.clicks)
    folder = Registry(options.models).fetch("champion")
    way = watched(folder, log, whole.session_rules(SessionConfig()), parts=options.parts, fixed=options.fixed)
    clicks = way.clicks
    begin = clicks[0].timestamp
    for kind in (START, INSIDE, NEXT):
        names = ("MoS", *(("as now",) if kind == NEXT else ()), "without", "popularity", "item-kNN")
        print(f"\n| hours, {kind} | requests | {' | '.join(names)} | MoS - popularity | MoS - item-kNN |")
        print("|---" * (len(names) + 4) + "|")
        for part in range(options.parts):
            name = f"{kind}/{part}"
            judge = way.judge_ahead if kind == NEXT else way.judge
            if name not in judge.kinds:
                continue
            times = [clicks[len(clicks) * at // options.parts - (at > 0)].timestamp for at in (part, part + 1)]
            hours = " to ".join(f"{(time - begin) / HOUR:.1f}" for time in times)
            found = judge.result(name)
            cells = [f"{found.ndcg[one].mean:.4f}" for one in names]
            gains = [found.ndcg_difference[one] for one in names[-2:]]
            cells += [f"{one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for one in gains]
            print(f"| {hours} | {found.requests:,} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
