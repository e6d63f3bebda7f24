"""Where revisions of the router are kept and told, as the part of the learner that makes them sees it."""

from __future__ import annotations

from typing import Protocol

from mos_online.contracts import LearningEvent, RouterUpdate
from mos_online.themes.router import Router


class RouterShelf(Protocol):
    """The truth about revisions, and those who are told of them."""

    def base(self, model: str | None) -> Router | None:
        """The router of a version of the model, which began its epoch; None while it is not there.

        Args:
            model: the version; None: the one in service.
        """
        ...

    def newest(self, epoch: str, arm: str) -> RouterUpdate | None:
        """The arm's revision of the highest sequence, with all its rows; None if there is none.

        Raises:
            ModelError: it is damaged, or the registry cannot be read.
        """
        ...

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        """Store a revision for good.

        Returns:
            What is stored under its sequence: of somebody else who was faster, the other one's.

        Raises:
            ModelError: it cannot be stored.
        """
        ...

    def announce(self, update: RouterUpdate) -> None:
        """Tell replicas and readers of the topic which revision is in service. Repeating it does no harm.

        Raises:
            StoreError: the store cannot be written.
        """
        ...

    def tend(self) -> None:
        """Send again what Kafka does not have; called often."""
        ...

    def tell(self, event: LearningEvent) -> None:
        """Say what was decided, and why."""
        ...
