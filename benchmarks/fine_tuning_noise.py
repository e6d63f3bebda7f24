"""Does the gate of fine-tuning let worse models through? Cycles on traffic that does not change, judged afterwards.

    python benchmarks/fine_tuning_noise.py [--cycles 50] [--users 120] [--judges 1200] [--minutes 20] [--width 16]
                                           [--noise 0,0.02]

Trains a champion on a synthetic log until it learns no more. Each cycle then has a log of other users of the same
habits: there is nothing new to learn. In every cycle the champion is fine-tuned (noise 0), or its weights are moved at
random by so many standard deviations of each tensor. The gate judges by the newest tenth, as in service.
What it promotes is compared with the champion before it on 20,000 clicks of users that nobody has seen, and in the end
the last champion with the first one. Prints Markdown. The model and the logs are small, so that fifty cycles take
minutes: a gate is the more easily misled, the noisier it is. So 100 clicks are enough to judge by, not 200. Shadow,
which is about the latency of answers, asks 80 requests, not 500.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import polars as pl
import torch

from mos_online.contracts import EventTypes, Session, SessionEvent
from mos_online.fine_tuning import attempt
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.cycle import fine_tune
from mos_online.fine_tuning.data import TuningData, prepare_tuning
from mos_online.fine_tuning.history import History
from mos_online.fine_tuning.judged import Judged, judge
from mos_online.fine_tuning.tune import tune
from mos_online.fine_tuning.warm_start import grown
from mos_online.metrics.bootstrap import Comparison, paired_bootstrap
from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.registry import Registry
from mos_online.registry.revisions import routers_of
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig, train
from simulator.population import SyntheticConfig, synthesize

GAP = 1_800_000
DAYS = 10
TYPES = EventTypes.parse("*:1")
JUDGED, REQUESTS = 20_000, 80
LIMIT = -0.002


def habits(users: int, number: int) -> SyntheticConfig:
    """The log of other users, later than those of lower numbers."""
    started_at = SyntheticConfig.started_at + number * DAYS * 86_400_000
    return SyntheticConfig(users=users, themes=6, items_per_theme=25, days=DAYS, started_at=started_at, seed=number)


def sessions_of(events: pl.DataFrame) -> list[Session]:
    """The true sessions of a synthetic log, as the stream would close them."""
    made = []
    rows = events.sort("user_id", "session_id", "timestamp").select(
        "user_id", "session_id", "event_id", "item_id", "timestamp"
    )
    for (user, name), of_session in groupby(rows.iter_rows(), lambda row: row[:2]):
        clicks = [
            SessionEvent(event_id=event, item_id=item, timestamp=time, event_type="click")
            for _, _, event, item, time in of_session
        ]
        first, last = clicks[0].timestamp, clicks[-1].timestamp
        made.append(
            Session(
                session_id=f"{user}:{name}",
                user_id=f"{user}-{first // (DAYS * 86_400_000)}",
                started_at=first,
                ended_at=last,
                events=clicks,
                close_reason="gap",
                watermark=last + GAP + 1,
            )
        )
    return made


def moved(noise: float, seed: int) -> object:
    """In the place of ``tune``: weights at random."""

    def move(model: MoS, data: TuningData, config: FineTuneConfig) -> int:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.numel() > 1:
                    weight.add_(noise * weight.std() * torch.randn(weight.shape, generator=generator))
        return data.learned.count

    return move


class Truth:
    """What models are worth on clicks that nobody has seen."""

    def __init__(self, registry: Registry, champion: ModelCheckpoint, sessions: Sequence[Session]) -> None:
        """Lay the sessions out once: all models of a run have the same items and the same router."""
        self._data = prepare_tuning(
            champion,
            sessions,
            types=TYPES,
            gap_ms=GAP,
            routers=routers_of(registry, champion.router),
            learned_to=None,
            config=FineTuneConfig(held_out=0.8, most=JUDGED),
        )
        self._users = self._data.log.users[self._data.window.held_out]
        self._known: dict[str, Judged] = {}

    def gains(self, before: ModelCheckpoint, after: ModelCheckpoint) -> tuple[Comparison, Comparison]:
        """GAUC and NDCG@10 of ``after`` minus ``before``, with intervals over users."""
        old, new = self._judged(before), self._judged(after)
        return paired_bootstrap(new.auc, old.auc, self._users), paired_bootstrap(new.ndcg, old.ndcg, self._users)

    def _judged(self, one: ModelCheckpoint) -> Judged:
        if one.version not in self._known:
            data = self._data
            model = grown(one, data.catalogue, data.routing, data.router, gap_ms=data.log.gap_ms)
            self._known[one.version] = judge(model, data.held_out, data.log_share, known=len(data.catalogue.items))
        return self._known[one.version]


def champion_of(registry: Registry, users: int, minutes: float, width: int) -> str:
    """Train until nothing is gained any more, or the time is over."""
    log = synthesize(habits(8 * users, 0))
    config = TrainConfig(themes=6, width=width, recent=20, theme_ring=10, minutes=minutes, epochs=8, threads=1)
    report = train(
        log.clicks,
        log.items,
        registry,
        sessions=SessionConfig(event_types="*:1"),
        config=config,
        name="synthetic",
        on_progress=lambda *_: None,
    )
    return registry.promote(report.version, lambda _: None)


def run(registry: Registry, truth: Truth, *, noise: float, cycles_: int, users: int) -> str:
    """One row of the table."""
    first = ModelCheckpoint.from_pretrained(registry.fetch("champion"))
    last, promoted = first, []
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        for number in range(1, cycles_ + 1):
            sessions = sessions_of(synthesize(habits(users, number)).clicks)
            config = FineTuneConfig(minutes=60, fewest=100, seed=number, threads=1)
            made = moved(noise, number) if noise else tune
            with patch.object(attempt, "tune", made), patch.object(attempt, "REQUESTS", REQUESTS):
                found = fine_tune(registry, sessions, history, types=TYPES, gap_ms=GAP, config=config, why="noise")
            if found.result == "promoted":
                before, last = last, ModelCheckpoint.from_pretrained(registry.fetch("champion"))
                promoted.append(truth.gains(before, last)[0])
    worst = min(promoted, key=lambda gain: gain.mean, default=None)
    below = sum(gain.mean < LIMIT for gain in promoted)
    kind = f"moved by {noise:g}" if noise else "fine-tuned"
    total = map(shown, truth.gains(first, last))
    return f"| {kind} | {cycles_} | {len(promoted)} | {below} | {shown(worst)} | {' | '.join(total)} |"


def shown(gain: Comparison | None) -> str:
    """A cell of the table."""
    return f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]" if gain is not None else "-"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--users", type=int, default=120, help="of a cycle")
    parser.add_argument("--width", type=int, default=16, help="of the model")
    parser.add_argument("--judges", type=int, default=1200, help="users of the clicks that nobody has seen")
    parser.add_argument("--minutes", type=float, default=20.0, help="that the champion may be trained")
    parser.add_argument("--noise", default="0,0.02")
    arguments = parser.parse_args()
    judges = sessions_of(synthesize(habits(arguments.judges, 1000)).clicks)
    print(
        "| candidates | cycles | promoted | of these below -0.002 | the worst of them: GAUC [95 %] "
        f"| last champion - first: GAUC | NDCG@10 |\n|---{6 * '|---'}|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(folder)
        first = champion_of(registry, arguments.users, arguments.minutes, arguments.width)
        truth = Truth(registry, ModelCheckpoint.from_pretrained(registry.fetch("champion")), judges)
        for noise in map(float, arguments.noise.split(",")):
            registry.promote(first, lambda _: None)
            row = run(registry, truth, noise=noise, cycles_=arguments.cycles, users=arguments.users)
            print(row, flush=True)


if __name__ == "__main__":
    main()
