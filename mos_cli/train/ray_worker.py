"""What runs in each process of Ray Train: one member of the team that fits a model."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Any

import psutil
import ray
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist

from mos_online.model import MoS
from mos_online.training import TrainConfig
from mos_online.training.fitting import Fitting, fit_as_member
from mos_online.training.process_group import ProcessGroup
from mos_online.training.starts import FromStart

SAY_EVERY = 0.2
"""Seconds between two words about the progress."""


class Listener:
    """An actor that hears how far the first worker is, and tells whoever asks."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, str]] = {}

    def hear(self, stage: str, part: float, words: str) -> None:
        """Take the newest words about a stage."""
        self._heard[stage] = part, words

    def heard(self) -> list[tuple[str, float, str]]:
        """The newest words about each stage, in the order of the stages."""
        return [(stage, part, words) for stage, (part, words) in self._heard.items()]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every worker is told.

    Attributes:
        fitting: of the object store: what to fit.
        config: how; ``threads`` are those of one worker.
        gpu: whether each worker computes on a GPU of its own.
        meeting: a file by which workers of one machine find each other over its loopback address; None in a cluster,
            where Ray Train has made the group.
        listener: a ``Listener``.
    """

    fitting: ray.ObjectRef
    config: TrainConfig
    gpu: bool
    meeting: str | None
    listener: Any


def work(told: dict[str, Order]) -> FromStart[MoS] | None:
    """Fit as a member.

    Args:
        told: the order, under this name.

    Returns:
        The model, on the processor, from the first worker; None from the others.
    """
    order, rank = told["order"], ray.train.get_context().get_world_rank()
    device = ray.train.torch.get_device() if order.gpu else torch.device("cpu")
    if order.meeting is not None:
        _meet(order.meeting, "nccl" if order.gpu else "gloo")
    torch.set_num_threads(order.config.threads)
    fitting: Fitting = ray.get(order.fitting)

    def begun(alike: bool) -> MoS:
        torch.manual_seed(order.config.seed + rank)  # of what is dropped; the weights are there
        return fitting.begun(alike)

    said = {"": 0.0}

    def say(stage: str, part: float, words: str) -> None:
        now = time.monotonic()
        if rank == 0 and (now - said.get(stage, 0.0) > SAY_EVERY or part >= 1.0):
            said[stage] = now
            order.listener.hear.remote(stage, part, words)

    group = dist.group.WORLD
    assert group is not None  # noqa: S101 - made by _meet or by Ray Train
    team = ProcessGroup(group, device)
    fitted = fit_as_member(team, replace(fitting, begun=begun), order.config, device, say)
    return replace(fitted, model=fitted.model.cpu()) if rank == 0 else None


def _meet(file: str, backend: str) -> None:
    """Make the group of the workers of this machine; nothing listens on other addresses than its own."""
    loopback = next(
        name
        for name, addresses in psutil.net_if_addrs().items()
        if any(one.address == "127.0.0.1" for one in addresses)
    )
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
    context = ray.train.get_context()
    dist.init_process_group(
        backend, init_method=f"file://{file}", rank=context.get_world_rank(), world_size=context.get_world_size()
    )
