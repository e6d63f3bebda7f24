"""The parts that the learner has, in the order in which they act."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from features.store import OnlineStore
from learning.ended_arms import EndedArms
from learning.experiment_shelf import RegistryShelf
from learning.experiments import ExperimentsPart
from learning.experiments_in_force import ExperimentsInForce
from learning.fast_weights import FastWeightsPart
from learning.learning_events import ROOM, LearningEvents
from learning.revisions import Revisions
from learning.session_themes import SessionThemes
from mos_online.learning.part import LearningPart
from mos_online.learning.router_part import RouterPart
from mos_online.registry import Registry, open_registry
from mos_online.settings import Settings
from publishing.unwaiting import UnwaitingProducer


def learning_parts(settings: Settings, at_end: ExitStack) -> Sequence[LearningPart]:
    """Make the parts.

    Args:
        settings: of everything.
        at_end: closes what they hold, and gives what they publish its time.

    Raises:
        RegistryError: it cannot be read which experiments are in force; nothing is open then.
        MosError: the online store cannot be opened.
    """
    registry = open_registry(settings)
    history = registry.experiments()
    in_force = ExperimentsInForce(history)
    store = OnlineStore.open(settings)
    at_end.callback(store.close)
    producer = UnwaitingProducer(settings, room=ROOM)
    producer.start()
    at_end.callback(producer.stop)
    events = LearningEvents(settings, producer)
    return (
        FastWeightsPart(
            folder=settings.learning_dir,
            themes=SessionThemes(registry),
            write=store.fast_weights.write,
            events=events,
            treatments=in_force.treatments,
        ),
        RouterPart(
            Revisions(settings, registry, write=store.routers.write, producer=producer, events=events),
            treatments=in_force.treatments,
        ),
        ExperimentsPart(
            folder=settings.learning_dir,
            shelf=RegistryShelf(history, in_force, partial(_promote, registry)),
            events=events,
            types=settings.sessions.types,
            feedback_window=settings.join_rules.window,
            session_gap=settings.sessions.gap,
        ),
        EndedArms(in_force.found, delete_rows=partial(_delete_rows, store), forget=registry.forget_arm),
    )


def _delete_rows(store: OnlineStore, arms: Sequence[str]) -> None:
    """Delete all that the store has of arms."""
    store.fast_weights.delete(arms)
    store.routers.delete(arms)


def _promote(registry: Registry, version: str) -> None:
    """Put a version into service that serves."""
    from mos_online.recommend.probe import check_model  # noqa: PLC0415 - torch takes seconds to import

    registry.promote(version, check_model)
