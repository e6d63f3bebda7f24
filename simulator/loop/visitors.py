"""Those who ask for recommendations and answer them, as a simulation sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mos_online.arrays import Floats, Ints
from mos_online.contracts import Click, Impression, Session
from mos_online.recommend.query import Query

Lists = Sequence[Sequence[str]]
"""The items of each list, best first."""


class Answers(NamedTuple):
    """What became of a batch of lists.

    Attributes:
        reports: for each list what its site sends: that it was seen, and clicks.
        clicks: int64 (n,), clicks on items of each list.
    """

    reports: list[list[Impression | Click]]
    clicks: Ints


class Judged(NamedTuple):
    """How good lists are as answers, whatever chance makes of them.

    Attributes:
        ndcg: float64 (n,), 0 to 1.
        clicks: float64 (n,), how many clicks on items of the list are to be expected if the user sees it.
    """

    ndcg: Floats
    clicks: Floats


class Visitors(Protocol):
    """Users of one site. Ask them, answer them, and then ask them again."""

    @property
    def begin(self) -> int:
        """The event time of the start, ms since epoch."""
        ...

    def require(self, catalogue: frozenset[str]) -> None:
        """Check that they can be shown what a model recommends.

        Raises:
            SettingsError: these items are of another world.
        """
        ...

    @property
    def due(self) -> int | None:
        """The event time (ms since epoch) of the next request; None if nobody will ask any more."""
        ...

    def ask(self, most: int, until: int) -> list[Query]:
        """Up to ``most`` requests before ``until`` (ms since epoch): the next ones in time, each of another user.

        Their profiles are not filled in.
        """
        ...

    def judge(self, lists: Lists) -> Judged:
        """How good lists would be as answers to the requests of the last ``ask``."""
        ...

    def answer(self, request_ids: Sequence[str], lists: Lists, effects: Floats | None = None) -> Answers:
        """Show these lists to those who asked last; once for each ``ask``.

        Args:
            request_ids: of the lists.
            lists: in the order of the requests.
            effects: float64 (n,), multiply the relevance of each list by 1 + effect, beside the effect of the user's
                own arm; None for none.

        Raises:
            SettingsError: effects for users whose clicks are recorded.
        """
        ...

    def theme_of(self, session: Session) -> int | None:
        """The true theme of a closed session; None if it is not known."""
        ...
