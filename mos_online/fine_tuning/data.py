"""What a fine-tuning reads: the learner's sessions, routed and laid out as for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mos_online.arrays import Ints
from mos_online.contracts import EventTypes, Session
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.routed import routed_anew, routed_in_service
from mos_online.fine_tuning.warm_start import grown_catalogue
from mos_online.fine_tuning.window import Window, choose_window
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.themes import Router
from mos_online.themes.timeline import RouterTimeline
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.examples import ExampleLog
from mos_online.training.moments import moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.routing import Routing
from mos_online.training.sequence_log import SequenceLog


@dataclass(frozen=True, kw_only=True)
class TuningData:
    """A log for one champion.

    Attributes:
        log, catalogue, routing: the events, the rows of all items, and their themes.
        router: the revision in service, or what begins a new epoch.
        window: which positions are for what.
        learned, mixing, held_out, earlier: their examples; all but the first with neighbours.
        log_share: float32 (items + 1,), log of each item's share of the clicks before the border.
    """

    log: ClickLog
    catalogue: Catalogue
    routing: Routing
    router: Router
    window: Window
    learned: ExampleLog
    mixing: ExampleLog
    held_out: ExampleLog
    earlier: ExampleLog
    log_share: Tensor

    def in_epoch_of(self, router: Router) -> TuningData:
        """The same where this router gives all themes, those of earlier sessions too: it begins a new epoch."""
        routing = routed_anew(self.log, self.catalogue, router)
        log = SequenceLog(self.log.events, self.catalogue, routing.event_theme, routing.themes)
        parts = ("learned", "mixing", "held_out", "earlier")
        return replace(
            self, router=router, routing=routing, **{part: replace(getattr(self, part), log=log) for part in parts}
        )


def prepare_tuning(
    champion: ModelCheckpoint,
    sessions: Sequence[Session],
    *,
    types: EventTypes,
    gap_ms: int,
    routers: RouterTimeline,
    learned_to: int | None,
    config: FineTuneConfig,
) -> TuningData:
    """Route and lay out what the learner has kept.

    Args:
        champion: what is fine-tuned.
        sessions: closed ones.
        types: what the types of events mean.
        gap_ms: the gap of sessions, within which co-clicks count.
        routers: of its epoch; they give the themes.
        learned_to: see ``choose_window``.
        config: shares and limits.

    Raises:
        DatasetError: too little has happened.
        ModelError: a revision of the router is damaged, or the registry cannot be read.
    """
    log = ClickLog.of_sessions(sessions, types, gap_ms=gap_ms)
    catalogue = grown_catalogue(champion, log)
    routing = routed_in_service(log, catalogue, sessions, routers)
    window = choose_window(log, routing.event_theme, learned_to=learned_to, config=config)
    sequences = SequenceLog(log.events, catalogue, routing.event_theme, routing.themes)
    known = len(champion.items)
    rules = CoClickRules(half_life_ms=champion.co_click_half_life_ms, window_ms=gap_ms)

    def examples(positions: Ints, size: int, *, neighbours: bool) -> ExampleLog:
        walk = moments(log, catalogue, positions, size=size, half_life_ms=champion.half_life_ms, known=known)
        made = list(with_neighbours(walk, log, catalogue, rules) if neighbours else walk)
        return ExampleLog(moments=made, log=sequences, config=champion.model.config)

    return TuningData(
        log=log,
        catalogue=catalogue,
        routing=routing,
        router=routers.newest(),
        window=window,
        learned=examples(window.learned, config.moment, neighbours=False),
        mixing=examples(window.mixing, config.judged, neighbours=True),
        held_out=examples(window.held_out, config.judged, neighbours=True),
        earlier=examples(window.earlier, config.judged, neighbours=True),
        log_share=_log_share(log, catalogue, window.border),
    )


def _log_share(log: ClickLog, catalogue: Catalogue, border: int) -> Tensor:
    rows = catalogue.rows_of(log.before(border)["item_id"].to_list())
    counts = np.bincount(rows, minlength=len(catalogue.items) + 1) + 0.5
    return torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
