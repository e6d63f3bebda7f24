"""Opens the service that the settings describe."""

from __future__ import annotations

from functools import partial

import torch

from mos_online.recommend.recommender import Recommender
from mos_online.registry import open_registry
from mos_online.settings import Settings
from serving.scoring.limits import Limits
from serving.scoring.profiles import Store
from serving.scoring.service import Service


def open_service(settings: Settings) -> Service:
    """Make the service that the settings describe, in a process of its own."""
    torch.set_num_threads(1)  # a second thread ruins the tail as soon as another process wants its core

    def open_store() -> Store:
        from features.store import OnlineStore  # noqa: PLC0415 - takes seconds; requests need not wait for it

        return OnlineStore.open(settings)

    registry = open_registry(settings)
    return Service(
        registry=registry,
        read_revision=lambda update: registry.routers(update.epoch, update.arm).read(update.sequence),
        load=partial(
            Recommender.load,
            new_item_users=settings.new_item_users,
            live_mixing=settings.live_mixing,
            gap_ms=settings.sessions.gap,
        ),
        open_store=open_store,
        partitions=settings.partitions,
        limits=Limits(),
    )
