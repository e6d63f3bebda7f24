"""What learns in a simulation beside the router: the fine-tuned model, and click probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mos_online.contracts import EventTypes, Session
from mos_online.errors import DatasetError
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.users.ring_sizes import RingSizes
from simulator.loop import tuned
from simulator.loop.compose import LoopConfig, StreamRules, virtual_loop
from simulator.loop.config import HOUR, Habits
from simulator.loop.probabilities import SimulatedFastWeights
from simulator.loop.served import Served
from simulator.loop.shelf import revise_by
from simulator.loop.tuned import SimulatedFineTuning
from simulator.population import SyntheticConfig, populate
from tests.simulator.loop.small_model import HALF_LIFE, small_checkpoint


def test_what_is_promoted_serves_with_the_revised_router_and_the_live_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    population = populate(SyntheticConfig(users=120, themes=6, items_per_theme=20, seed=1))
    first = small_checkpoint(population, spare=0)
    first.save_pretrained(tmp_path / "first", "The first one.")
    better = replace(first, model=deepcopy(first.model))
    asked: list[tuple[int, int]] = []

    def fine_tune(registry: Registry, sessions: Sequence[Session], *_: object, **told: object) -> SimpleNamespace:
        earlier = told["earlier"]
        assert isinstance(earlier, list)
        assert max(one.watermark for one in earlier) < min(one.watermark for one in sessions)
        asked.append((len(sessions), registry.routers(first.router.epoch).revisions()[-1].sequence))
        if len(asked) == 1:
            raise DatasetError("too little")
        with torch.no_grad():
            better.model.item.weight.add_(0.1)
        better.save_pretrained(tmp_path / "better", "Another one.")
        registry.promote(registry.add(tmp_path / "better"), lambda _: None)
        return SimpleNamespace(result="promoted")

    monkeypatch.setattr(tuned, "fine_tune", fine_tune)
    served = Served("tuned", Recommender.load(tmp_path / "first"), RingSizes(recent=10, theme=8))
    tuning = SimulatedFineTuning(
        served,
        tmp_path / "first",
        tmp_path / "own",
        every=2 * HOUR,
        types=EventTypes.parse("*:1"),
        gap_ms=StreamRules().sessions.gap,
        config=FineTuneConfig(),
    )
    revise_by(served, every=100, registry=tuning.registry)
    probabilities = SimulatedFastWeights()
    served.parts += [tuning, probabilities]
    loop = virtual_loop(
        population,
        [served],
        LoopConfig(habits=Habits(absence=HOUR), seed=3),
        StreamRules(),
        half_lives=(HALF_LIFE, HALF_LIFE),
    )
    loop.run(5 * HOUR)
    assert tuning.told == {"skipped": 1, "promoted": 1}
    assert served.recommender.model_version == better.version != first.version
    assert served.recommender.router.sequence >= asked[1][1] > 0
    assert served.recommender._popularity, "the counts went with it"
    assert asked[1][0] > asked[0][0] > 0
    found = probabilities.found(loop.begin)
    assert found.items > found.clicks > 0
    assert found.expected["newest"] == pytest.approx(found.clicks, rel=0.3)
    assert probabilities.found(loop.begin + 6 * HOUR).items == 0
