"""A drift is planted: how much of the themes, and of the served model's NDCG, do revisions of the router regain?

    python benchmarks/router_drift.py [--seeds 3] [--users 1500] [--minutes 0.5]

30 % of the items trade places, and 20 % are replaced. Before that the router has been revised every 1,000 sessions for
long. The weights of the model stay as they are. Three routers serve the same requests: the frozen one, its revisions,
and one that was fitted on the sessions after the drift, those to come included. Regained is (revised - frozen) /
(fitted - frozen). A request asks for the last event of a session, after the others; all items are candidates. It takes
a minute a seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from mos_online.contracts import Session
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS
from mos_online.metrics.agreement import mutual_information
from mos_online.metrics.ranking import ndcg
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.themes.gate import judge
from mos_online.themes.refit import aligned
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.visits import laid_out, visit_of
from mos_online.training import TrainConfig, train
from mos_online.users.offline_profiles import past_sessions
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from simulator.drift import plant_drift
from simulator.population import SyntheticConfig, synthesize

EVERY, BATCH = 1000, 50
NAMES = ("frozen", "revised", "fitted")
CONFIG, LIMITS = RevisionConfig(), GateConfig()


@dataclass
class Arm:
    """A router in service, the model under it, and the profiles that it has made."""

    name: str
    recommender: Recommender
    profiles: dict[str, UserProfile]

    def close(self, sessions: Sequence[Session], sizes: RingSizes) -> None:
        """Apply closed sessions."""
        changed, _ = apply_sessions(sessions, self.profiles, self.recommender.router, sizes)
        self.profiles |= changed

    def ndcg(self, sessions: Sequence[Session]) -> list[float]:
        """NDCG@10 of the last events of sessions that are about to close."""
        queries = [
            Query(
                user_id=one.user_id,
                profile=self.profiles.get(one.user_id),
                events=one.events[:-1],
                timestamp=one.events[-1].timestamp,
                k=10,
                exclude=[],
            )
            for one in sessions
        ]
        rankings = self.recommender.recommend(queries)
        return [
            ndcg([item.item_id for item in ranking.items], one.events[-1].item_id)
            for ranking, one in zip(rankings, sessions, strict=True)
        ]


def revised(base: Router, serving: Router, seen: Sequence[Session]) -> Router:
    """The next revision; the router in service if the gate refuses it."""
    visits = [visit_of(one) for one in seen[-CONFIG.window :]]
    revision = revise(base, visits, CONFIG, sequence=serving.sequence + 1)
    judgement = judge(base, serving, revision, visits, CONFIG, LIMITS)
    print(f"  revision {revision.sequence}: {judgement.moved:.1%} of the sessions move", *judgement.refused, sep="; ")
    return serving if judgement.refused else revision


def fitted(base: Router, sessions: Sequence[Session]) -> Router:
    """The router of the sessions after the drift, with the theme ids of the base."""
    rows = [(one.session_id, event.item_id) for one in sessions for event in one.events]
    events = pl.DataFrame(rows, schema=["session_id", "item_id"], orient="row")
    nothing = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String, "category": pl.String})
    new = fit_router(events, nothing, RouterConfig(themes=base.n_themes))
    found = aligned(new, base, laid_out([visit_of(one) for one in sessions])).router
    table = found.tensors()["table"]
    return base.revised(found.items, table, prototypes=found.prototypes, tau=found.tau, sequence=1)


class Drift:
    """A population whose items drift, and the three routers that serve it."""

    def __init__(self, seed: int, users: int, minutes: float, folder: Path) -> None:
        """Make the log, train on its first part, and put the sessions before the drift into the profiles."""
        made = synthesize(SyntheticConfig(users=users, themes=8, sessions_per_user=13, seed=seed))
        self.kind_of = dict(zip(made.events["event_id"], made.events["item_id"].str.head(3), strict=True))
        cut, at = (int(made.events["timestamp"].quantile(share) or 0) for share in (0.35, 0.65))
        log = plant_drift(made, at=at, moved=0.3, replaced=0.2, seed=seed)
        nameless = log.items.with_columns(category=pl.lit(None, pl.String))
        registry, rules = Registry(folder / str(seed)), SessionConfig()
        train(
            log.events.filter(pl.col("timestamp") < cut),
            nameless.filter(~pl.col("item_id").str.starts_with("new-")),
            registry,
            sessions=rules,
            config=TrainConfig(themes=8, width=32, minutes=minutes, threads=1, seed=seed),
            name="drift",
            on_progress=lambda *_: None,
        )
        sessions = sorted(past_sessions(log.events, nameless, rules), key=lambda one: (one.watermark, one.session_id))
        self.quiet = [one for one in sessions if cut <= one.watermark < at]
        self.late = [one for one in sessions if one.watermark >= at]
        model = Recommender.load(registry.fetch("candidate"))
        self.base, self.sizes = model.router, RingSizes()
        self.arms = [Arm(name, model.revised(self.base), {}) for name in NAMES]
        self.popularity = ItemPopularity(gap_ms=rules.gap, half_life_ms=model.half_life_ms, partition=0)
        self.seen: list[Session] = []
        self.pass_by([one for one in sessions if one.watermark < cut])
        self.seen.clear()  # the base was fitted on them
        for start in range(0, len(self.quiet), EVERY):
            self.pass_by(self.quiet[start : start + EVERY])
            self.revise()
        self.serve("fitted", fitted(self.base, self.late))

    def pass_by(self, sessions: Sequence[Session]) -> None:
        """Sessions close, and their clicks count."""
        for arm in self.arms:
            arm.close(sessions, self.sizes)
        for one in sessions:
            for event in one.events:
                self.popularity.add(one.user_id, event.item_id, event.timestamp, weight=1.0)
        self.seen += sessions

    def serve(self, name: str, router: Router) -> None:
        """Put a router into service."""
        arm = self.arms[NAMES.index(name)]
        arm.recommender = arm.recommender.revised(router)

    def revise(self) -> None:
        """Put the next revision into service, if the gate lets it."""
        self.serve("revised", revised(self.base, self.arms[NAMES.index("revised")].recommender.router, self.seen))

    def measure(self) -> dict[str, list[float]]:
        """NMI and NDCG under each router in the 1,000 sessions after 0, 1,000, 2,000, ... of the new kind."""
        found: dict[str, list[float]] = {f"{measure} {name}": [] for measure in ("NMI", "NDCG") for name in NAMES}
        for start in range(0, len(self.late) - EVERY, EVERY):
            block = self.late[start : start + EVERY]
            kinds = [[self.kind_of[event.event_id] for event in one.events] for one in block]
            true = [max(sorted(those), key=those.count) for those in kinds]
            for arm in self.arms:
                themes = arm.recommender.router.session_themes(*laid_out([visit_of(one) for one in block]))
                found[f"NMI {arm.name}"].append(mutual_information(themes, true))
            for name, score in self.answered(block).items():
                found[f"NDCG {name}"].append(score)
            self.revise()
        return found

    def answered(self, block: Sequence[Session]) -> dict[str, float]:
        """NDCG under each router of requests from sessions, which close a few at a time."""
        scores: dict[str, list[float]] = {name: [] for name in NAMES}
        for first in range(0, len(block), BATCH):
            some = block[first : first + BATCH]
            now = [self.popularity.snapshot(top=LISTED_ITEMS)]
            for arm in self.arms:
                arm.recommender.observe_popularity(now)
                scores[arm.name] += arm.ndcg([one for one in some if len(one.events) > 1])
            self.pass_by(some)
        return {name: float(np.mean(values)) for name, values in scores.items()}


def main() -> None:
    """Print a table for each measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="populations")
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--minutes", type=float, default=0.5, help="of training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [Drift(seed, options.users, options.minutes, Path(folder)).measure() for seed in range(options.seeds)]
    length = min(len(values) for found in runs for values in found.values())
    for measure in ("NMI", "NDCG"):
        frozen, revision, fit = (
            np.array([found[f"{measure} {name}"][:length] for found in runs])
            for name in ("frozen", "revised", "fitted")
        )
        print(
            f"\n| sessions since the drift | {measure} frozen | revised | fitted afterwards | regained, mean | least |"
        )
        print("|---|---|---|---|---|---|")
        for column in range(length):
            means = [values[:, column].mean() for values in (frozen, revision, fit)]
            share = (revision - frozen)[:, column] / (fit - frozen)[:, column]
            figures = " | ".join(f"{mean:.3f}" for mean in means)
            print(f"| {column * EVERY:,} | {figures} | {share.mean():.1%} | {share.min():.1%} |")


if __name__ == "__main__":
    main()
