"""One way of answering the simulated users: a recommender, profiles, and what learns for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from mos_online.contracts import Session
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.part import LearningBatch, LearningPart
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.themes import Router
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions


class Served:
    """A model in service, with the profiles that its router has made. Without parts it is frozen.

    Attributes:
        name: for the report.
        recommender: answers.
        profiles: by user_id.
        parts: what learns from the stream for this way of serving; add to it before the simulation runs.
        alarms: what the parts have said, in order.
        teaches: whether the parts learn from a user; all users teach them at first.
    """

    def __init__(self, name: str, recommender: Recommender, sizes: RingSizes, *, counts: bool = True) -> None:
        """Serve with a recommender of its own; without ``counts`` popularity and co-clicks stay those of the start."""
        self.name = name
        self.recommender = recommender
        self.profiles: dict[str, UserProfile] = {}
        self.parts: list[LearningPart] = []
        self.alarms: list[str] = []
        self.teaches: Callable[[str], bool] | None = None
        self._sizes = sizes
        self._counts = counts
        self._observed: tuple[PopularitySnapshot, CoClickSnapshot] | None = None

    def use(self, router: Router) -> None:
        """Put a revision of the router into service, as replicas and the profiler do.

        Raises:
            ModelError: it is of another epoch.
        """
        self.recommender = self.recommender.revised(router)

    def promote(self, recommender: Recommender) -> None:
        """Put another model of the same epoch into service, under the router and the counts that are in service.

        Raises:
            ModelError: it is of another epoch.
        """
        router = self.recommender.router
        self.recommender = recommender.revised(router) if router.sequence else recommender
        if self._observed is not None:
            self._use_counts(*self._observed)

    def close(self, sessions: Sequence[Session]) -> list[int]:
        """Update the profiles by closed sessions; returns the theme of each."""
        if not sessions:
            return []
        changed, embeddings = apply_sessions(sessions, self.profiles, self.recommender.router, self._sizes)
        self.profiles.update(changed)
        return [embedding.theme for embedding in embeddings]

    def learn(self, batches: Sequence[LearningBatch]) -> None:
        """Give the parts what came to be known, and let them do what is due."""
        for batch in batches:
            taught = batch if self.teaches is None else _of_users(batch, self.teaches)
            for part in self.parts:
                part.take(taught)
        if not batches:
            return
        for part in self.parts:
            for alarm in part.step(batches[-1].event_time):
                self.alarms.append(f"{part.name}: {alarm.why}")
                for other in self.parts:
                    other.hear(alarm)

    def observe(self, popularity: PopularitySnapshot, together: CoClickSnapshot) -> None:
        """Take the newest counts, as a replica does every few seconds."""
        if self._observed is None or self._counts:
            self._observed = popularity, together
            self._use_counts(popularity, together)
            if self._counts:
                self.recommender.learn()

    def _use_counts(self, popularity: PopularitySnapshot, together: CoClickSnapshot) -> None:
        self.recommender.observe_popularity([popularity])
        self.recommender.observe_co_clicks([together])

    def rank(self, queries: Sequence[Query]) -> list[Ranking]:
        """Rank for these users, with their profiles."""
        known = self.profiles.get
        return self.recommender.recommend(
            [msgspec.structs.replace(query, profile=known(query.user_id)) for query in queries]
        )


def _of_users(batch: LearningBatch, teaches: Callable[[str], bool]) -> LearningBatch:
    """What came to be known of some users."""
    return msgspec.structs.replace(
        batch,
        sessions=[session for session in batch.sessions if teaches(session.user_id)],
        outcomes=[outcome for outcome in batch.outcomes if teaches(outcome.user_id)],
    )
