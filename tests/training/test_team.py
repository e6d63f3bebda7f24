"""Two members of a team fit the model that one process fits; over gloo, in two threads."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, cast

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from mos_online.model import MoS, MoSConfig
from mos_online.model.dropout import Dropout
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig
from mos_online.training.fit import Budget, Outcome, Reached, fit
from mos_online.training.fitting import Fitting, Found, fit_as_member
from mos_online.training.prepare import prepare
from mos_online.training.process_group import ProcessGroup
from mos_online.training.starts import FromStart
from mos_online.training.team import ALONE, Team
from simulator.population import SyntheticConfig, synthesize

CPU = torch.device("cpu")
T = TypeVar("T")


def in_a_team(folder: Path, work: Callable[[Team], T], size: int = 2) -> list[T]:
    """What each member makes; one that waits in vain fails after some seconds."""

    def member(rank: int) -> T:
        threading.current_thread().name = f"member {rank}"
        store = dist.FileStore(str(folder / "store"), size)  # type: ignore[attr-defined]
        group = dist.ProcessGroupGloo(store, rank, size, timedelta(seconds=60))
        return work(ProcessGroup(cast(dist.ProcessGroup, group), CPU))  # it has the methods, if not the class

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(member, range(size)))


@pytest.fixture(scope="module")
def fitting_and_config() -> tuple[Fitting, TrainConfig]:
    """Of a small log, with nothing random but the order; the last step of a pass has one moment, which is smaller."""
    log = synthesize(SyntheticConfig(users=60, themes=4, items_per_theme=12))
    config = TrainConfig(
        themes=4,
        width=8,
        recent=6,
        theme_ring=4,
        examples=900,
        minutes=60.0,
        epochs=3,
        threads=1,
        step=256,
        moment=64,
    )
    data = prepare(log.events, log.items, SessionConfig(), config, lambda stage, part, words: None)
    fitting = Fitting.of(data, config)
    whole = len(fitting.learned) // 4 * 4 - 3
    made = {alike: fitting.begun(alike) for alike in (True, False)}  # a seed counts for all threads
    learned = replace(fitting.learned, moments=fitting.learned.moments[-whole:])

    def begun(alike: bool) -> MoS:
        model = copy.deepcopy(made[alike])
        model.config = replace(model.config, id_dropout=0.0)
        for module in model.modules():
            if isinstance(module, Dropout):
                module.p = 0.0
        return model

    return replace(fitting, learned=learned, begun=begun), config


@pytest.mark.parametrize("goes_on", [False, True])
def test_two_members_fit_what_one_process_fits(
    goes_on: bool, fitting_and_config: tuple[Fitting, TrainConfig], tmp_path: Path
) -> None:
    fitting, config = fitting_and_config
    if goes_on:
        found = Found(alike=False, share=1.0, reached=Reached(ndcg=0.1, auc=0.5), passes=3)
        fitting, config = replace(fitting, guide=found), replace(config, epochs=6)
    assert len(fitting.learned) % config.budget.moments == 1, "one member has nothing to do in the last step"

    def work(team: Team) -> FromStart[MoS]:
        return fit_as_member(team, fitting, config, CPU, lambda stage, part, words: None)

    one, members = work(ALONE), in_a_team(tmp_path, work)

    def weights(model: MoS) -> Tensor:
        return torch.nn.utils.parameters_to_vector(model.parameters()).detach()

    moved = (weights(one.model) - weights(fitting.begun(one.alike))).norm()
    assert moved > (0.25 if goes_on else 1)
    for member in members:
        assert (member.alike, member.passes, member.share) == (one.alike, one.passes, one.share)
        assert torch.equal(weights(member.model), weights(members[0].model))
        apart = (weights(member.model) - weights(one.model)).norm()
        assert apart < 0.02 * moved, "Adam follows even the noise of a gradient that is nearly zero"


def small_model() -> MoS:
    torch.manual_seed(0)
    return MoS(MoSConfig(items=4, themes=2, width=4, recent=4, short=2, theme_ring=2))


def test_the_first_members_clock_ends_it_for_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The other's clock has long gone past the end; if it counted, each would wait for the other."""
    started = time.monotonic()
    steps = dict.fromkeys(range(2), 0)

    def clock() -> float:
        rank = int(threading.current_thread().name.split()[-1])
        return started + steps[0] if rank == 0 else started + 1e9 * steps[1]

    models = [small_model(), small_model()]

    def work(team: Team) -> Outcome:
        model = models[team.rank]

        def loss(numbers: object) -> Tensor:
            steps[team.rank] += 1
            return model.item.weight[1, 0] / team.size

        budget = Budget(seconds=5.0, epochs=2, patience=2, rate=0.1, moments=1)
        return fit(model, 100, loss, lambda: Reached(ndcg=None, auc=0.5), budget=budget, seed=0, team=team)

    monkeypatch.setattr("mos_online.training.fit.time", SimpleNamespace(monotonic=clock))
    in_a_team(tmp_path, work)
    assert steps == {0: 5, 1: 5}


def test_a_gradient_that_only_one_member_has_counts_and_one_that_nobody_has_stays_away(tmp_path: Path) -> None:
    models = [small_model(), small_model()]

    def work(team: Team) -> tuple[float, list[Tensor | None]]:
        model = models[team.rank]
        rows, theme = model.get_parameter("item.weight"), model.get_parameter("theme.weight")
        lost = 2 * rows[1, 0] if team.rank else torch.ones((), requires_grad=True)
        lost.backward()
        total = team.add_up([rows, theme], lost)
        return total.item(), [rows.grad, theme.grad]

    for total, (rows, theme) in in_a_team(tmp_path, work):
        assert total == pytest.approx(1 + 2 * models[0].item.weight[1, 0].item())
        assert theme is None
        assert rows is not None
        assert rows[1, 0] == 2
        assert rows.sum() == 2
