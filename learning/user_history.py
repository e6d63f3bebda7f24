"""Profiles from the learner's log: what each user's was after each of the kept sessions."""

from __future__ import annotations

from collections.abc import Iterator

from features.location import parse_location
from features.repository import open_repository
from features.user_history import FILE, write_user_history
from mos_online.errors import StoreError
from mos_online.learning.kept_sessions import sessions_since
from mos_online.registry import load_config, open_registry
from mos_online.registry.revisions import routers_of
from mos_online.settings import Settings
from mos_online.themes import load_router
from mos_online.users.profile import UserProfile
from mos_online.users.update import apply_session

DAY = 86_400_000


def export_user_history(settings: Settings, *, days: float) -> int:
    """Write the offline source of the Feast repository: the view `user_state` as it was after each session.

    Themes are those of the epoch in service. Sessions before the first one that is written are not known.

    Args:
        settings: where the log, the models and the Feast repository are.
        days: of event time, the newest.

    Returns:
        How many rows there are.

    Raises:
        ModelError: there is no model.
        StoreError: the file cannot be written.
        MosError: the log cannot be read.
    """
    folder = settings.feast_dir
    try:
        open_repository(folder, parse_location(settings.store, settings.namespace))
        return write_user_history(folder, _profiles(settings, days))
    except OSError as error:
        raise StoreError(f"{folder / FILE} cannot be written from {settings.learning_dir}: {error}") from None


def _profiles(settings: Settings, days: float) -> Iterator[UserProfile]:
    registry = open_registry(settings)
    model = registry.fetch("champion")
    routers, sizes = routers_of(registry, load_router(model)), load_config(model).sizes
    known: dict[str, UserProfile] = {}
    for session in sessions_since(settings.learning_dir / "log", days=days):
        router = routers.at(session.watermark)
        before = known.get(session.user_id) or UserProfile(user_id=session.user_id)
        after = apply_session(before, session, router.route(session), router, sizes)
        if after is not before:
            known[session.user_id] = after
            yield after
