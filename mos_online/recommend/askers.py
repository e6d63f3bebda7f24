"""Which users have clicked since they asked before: who only asks again teaches nothing more."""

from __future__ import annotations

from collections import OrderedDict

KEPT = 20_000
"""Users who asked last."""


class Askers:
    """The newest click of each user at the last request, of those who asked last.

    A model's expectation is compared with clicks, see ``Expectation``. So it is learned once for each click, as in
    training, however often a page is loaded, and whether or not somebody tries how much load the service bears.
    """

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._newest: OrderedDict[str, int] = OrderedDict()

    def clicked(self, user_id: str, newest: int) -> bool:
        """Note a request; whether the user has clicked since the one before, or had not asked yet.

        Args:
            user_id: who asks.
            newest: time of the user's newest click (ms).
        """
        known = self._newest.pop(user_id, None)
        self._newest[user_id] = newest if known is None else max(known, newest)
        if len(self._newest) > KEPT:
            self._newest.popitem(last=False)
        return known is None or newest > known
