"""The revisions of the router of one arm: when one is due, what it is made of, and whether it may serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from mos_online.contracts import RouterUpdate
from mos_online.learning.router_events import promoted, refused
from mos_online.learning.router_shelf import RouterShelf
from mos_online.learning.unknown_items import UnknownItems
from mos_online.themes.gate import Judgement, judge
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.router import Router
from mos_online.themes.updates import revision_of, update_of
from mos_online.themes.visits import Visit, VisitWindow

DAY = 86_400_000
START = (-1, "")
"""Before all sessions."""

Learns = Callable[[str], bool]
"""Whether the arm learns from a user."""


@dataclass(frozen=True, kw_only=True)
class RouterSchedule:
    """When a revision is made.

    Attributes:
        every: after so many sessions.
        soon: after so many, if a drift or new items ask for it.
        new_items_every: new items ask at most every so many ms of event time.
        span: sessions that closed longer ago (ms) than this before the newest are not in the window.
        ahead: a revision routes sessions from so many ms of event time after the newest that is known, so that whoever
            routes has it by then.
    """

    every: int = 1000
    soon: int = 100
    new_items_every: int = 60_000
    span: int = 7 * DAY
    ahead: int = 2000


@dataclass(frozen=True, kw_only=True)
class RouterRules:
    """How revisions are made.

    Attributes:
        config: of a revision.
        limits: of the gate.
        schedule: when.
    """

    config: RevisionConfig = field(default_factory=RevisionConfig)
    limits: GateConfig = field(default_factory=GateConfig)
    schedule: RouterSchedule = field(default_factory=RouterSchedule)


@dataclass
class _Epoch:
    """What is known of the epoch in service.

    Attributes:
        base: the router that began it.
        serving: the router in service.
        newest: its message; None if it is the base.
        decided: place of the last session that was decided about; what comes later is new.
        revised_at: event time (ms) of the last revision that was tried.
        refused, judgement: what the gate said last.
    """

    base: Router
    serving: Router
    newest: RouterUpdate | None = None
    decided: tuple[int, str] = START
    revised_at: int = 0
    refused: list[str] = field(default_factory=list)
    judgement: Judgement | None = None


class ArmRouter:
    """Makes a revision every so many sessions of the arm's users, or sooner if something asks for it.

    Attributes:
        arm: its name.
        model: version of its model; None: the one in service.
    """

    def __init__(
        self, arm: str, model: str | None, shelf: RouterShelf, window: VisitWindow, learns: Learns, rules: RouterRules
    ) -> None:
        """Know nothing yet.

        Args:
            arm: its name.
            model: version of its model; None: the one in service.
            shelf: where revisions are kept.
            window: the sessions of all users; somebody else fills it.
            learns: says which users are the arm's.
            rules: how revisions are made.
        """
        self.arm = arm
        self.model = model
        self._shelf = shelf
        self._window = window
        self._learns = learns
        self._rules = rules
        self._unknown = UnknownItems(rules.config.least)
        self._epoch: _Epoch | None = None
        self._asked: str | None = None
        self._unannounced: RouterUpdate | None = None

    def take(self, visits: Sequence[Visit]) -> None:
        """Look at sessions that have come into the window."""
        if self._epoch is not None:
            self._unknown.learn(self._own(visits), self._epoch.serving)

    def ask(self, why: str) -> None:
        """Make a revision soon."""
        self._asked = why

    def step(self, event_time: int) -> None:
        """Make the revision that is due, and put it into service or say why not."""
        epoch = self._followed()
        if self._unannounced is not None:
            self._shelf.announce(self._unannounced)
            self._unannounced = None
        if epoch is None or (epoch.newest is not None and epoch.newest.held):
            return
        visits = self._due(epoch, event_time)
        if visits:
            self._revise(epoch, visits, event_time)

    def status(self) -> Mapping[str, object]:
        """The revision in service, what the gate measured last, and what is waited for."""
        epoch = self._epoch
        if epoch is None:
            return {"state": "waits for a model"}
        newest = epoch.newest
        return {
            "epoch": epoch.base.epoch,
            "revision": epoch.serving.sequence,
            "version": epoch.serving.version,
            "routes_from": newest.effective_from if newest is not None else None,
            "made_from": newest.sessions if newest is not None else 0,
            "held": newest is not None and newest.held,
            "new_sessions": len(self._since(epoch)),
            "refused": epoch.refused,
            "measured": msgspec.to_builtins(epoch.judgement) if epoch.judgement is not None else None,
            "asked_for": self._asked,
        }

    def _followed(self) -> _Epoch | None:
        """The epoch in service, after a look at the shelf."""
        base = self._shelf.base(self.model)
        if base is None:
            return None
        newest = self._shelf.newest(base.epoch, self.arm)
        epoch = self._epoch
        if epoch is None or epoch.base.epoch != base.epoch:
            epoch = self._epoch = _Epoch(base=base, serving=base)
            self._unknown.clear()
            if newest is None:
                return epoch
        if newest is not None and newest != epoch.newest:
            self._serve(epoch, newest, revision_of(base, newest))
        return epoch

    def _serve(self, epoch: _Epoch, update: RouterUpdate, router: Router) -> None:
        epoch.newest, epoch.serving = update, router
        epoch.decided = max(epoch.decided, (update.through_watermark, update.through_session))
        self._unknown.clear()
        self._unannounced = update

    def _own(self, visits: Sequence[Visit]) -> list[Visit]:
        return [visit for visit in visits if self._learns(visit.user_id)]

    def _since(self, epoch: _Epoch) -> list[Visit]:
        """The sessions that nothing was decided about."""
        return self._own(self._window.after(epoch.decided))

    def _due(self, epoch: _Epoch, event_time: int) -> list[Visit]:
        """The window of the revision that is due; empty if none is."""
        schedule, since = self._rules.schedule, self._since(epoch)
        whole = len(since) // schedule.every * schedule.every
        new_items = self._unknown.ready and event_time >= epoch.revised_at + schedule.new_items_every
        if whole:
            through = since[whole - 1].place
        elif len(since) >= schedule.soon and (self._asked is not None or new_items):
            through = since[-1].place
        else:
            return []
        visits = self._own(self._window.up_to(through))[-self._rules.config.window :]
        oldest = through[0] - schedule.span
        return [visit for visit in visits if visit.watermark > oldest]

    def _revise(self, epoch: _Epoch, visits: list[Visit], event_time: int) -> None:
        config, through = self._rules.config, visits[-1].place
        epoch.decided, epoch.revised_at, self._asked = through, event_time, None
        self._unknown.clear()
        sequence = epoch.newest.sequence + 1 if epoch.newest is not None else 1
        revision = revise(epoch.base, visits, config, sequence=sequence)
        epoch.judgement = judge(epoch.base, epoch.serving, revision, visits, config, self._rules.limits)
        epoch.refused = epoch.judgement.refused
        if epoch.refused:
            self._shelf.tell(refused(self.arm, epoch.base, revision, epoch.judgement, through))
            return
        update = update_of(
            epoch.base,
            revision,
            arm=self.arm,
            effective_from=max(event_time, through[0]) + self._rules.schedule.ahead,
            through=through,
            sessions=len(visits),
        )
        kept = self._shelf.keep(update)
        if kept != update:  # somebody has rolled back meanwhile
            revision = revision_of(epoch.base, kept)
        self._serve(epoch, kept, revision)
        self._shelf.announce(kept)
        self._unannounced = None
        if kept == update:
            self._shelf.tell(promoted(self.arm, epoch.base, revision, epoch.judgement, through))
