"""One candidate of a fine-tuning: it learns, is judged, and is promoted or refused."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from mos_online.errors import ModelError, RegistryError
from mos_online.fine_tuning.card import fine_tuned_card
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.data import TuningData
from mos_online.fine_tuning.gate import Verdict, decide
from mos_online.fine_tuning.history import FineTuning, History
from mos_online.fine_tuning.judged import judge
from mos_online.fine_tuning.shadow import REQUESTS, WARM_UP, made_requests, shadow
from mos_online.fine_tuning.slices import slices_of
from mos_online.fine_tuning.tune import tune
from mos_online.fine_tuning.warm_start import admit, enter_epoch, grown
from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.probe import check_model
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.themes import Router
from mos_online.themes.new_epoch import NewEpoch
from mos_online.training.publish import most_clicked

LEARNED_TO = "learned_to"
"""The key of ``ModelCheckpoint.training`` that says before which event time (ms) a model has learned."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Attempt:
    """One candidate: how it is made and judged.

    Attributes:
        registry: whose champion it is.
        history: of those that were judged.
        champion: what it begins as; folder: where that is stored.
        data: the log as the champion reads it.
        config: limits.
        logged: requests that the service has answered, to be answered by both.
        why: what it is made for, for people.
        hold: whether it only becomes the candidate of the registry when it passes.
        epoch: what it begins; None if it stays in the champion's.
    """

    registry: Registry
    history: History
    champion: ModelCheckpoint
    folder: Path
    data: TuningData
    config: FineTuneConfig
    logged: Sequence[Query]
    why: str
    hold: bool = False
    epoch: NewEpoch | None = None

    def run(self, say: Say) -> FineTuning:
        """Learn, judge, and promote or refuse; ``say`` is given a line at each stage.

        Raises:
            RegistryError: the registry cannot be read or written.
        """
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as draft:
            result = self._judged(self.learned(), Path(draft), say)
        return replace(result, seconds=round(time.monotonic() - began, 1))

    @cached_property
    def own(self) -> TuningData:
        """The log as the candidate reads it."""
        return self.data if self.epoch is None else self.data.in_epoch_of(self.epoch.router)

    def learned(self) -> tuple[ModelCheckpoint, FineTuning]:
        """The candidate, and what there is to say of it so far."""
        data, own = self.data, self.own
        model = grown(self.champion, data.catalogue, data.routing, data.router, gap_ms=data.log.gap_ms)
        if self.epoch is not None:
            enter_epoch(model, own.catalogue, own.routing, self.epoch.restarted)
        admit(model, data.catalogue, data.log, first=len(self.champion.items) + 1, border=data.window.border)
        facts = FineTuning(
            at=time.time_ns() // 1_000_000,
            why=self.why,
            champion=self.champion.version,
            candidate=None,
            result="failed",
            reasons=[],
            learned_to=data.window.border,
            examples=tune(model, own, self.config),
            replayed=len(data.window.replayed),
            new_items=len(data.catalogue.items) - len(self.champion.items),
            held_out=data.held_out.count,
            revision=own.router.sequence,
            epoch=own.router.epoch,
        )
        candidate = self._checkpoint(model, facts)
        return candidate, replace(facts, candidate=candidate.version)

    def _judged(self, made: tuple[ModelCheckpoint, FineTuning], draft: Path, say: Say) -> FineTuning:
        candidate, facts = made
        if candidate.version in self.history.judged():
            return replace(facts, reasons=["it has been judged before, and a candidate has one look"])
        candidate.save_pretrained(draft, fine_tuned_card(facts, len(self.data.catalogue.items)))
        say(f"judging {candidate.version} by {facts.held_out:,} newest clicks")
        try:
            verdict = self._verdict(draft)
        except RegistryError:
            raise
        except ModelError as error:
            return replace(facts, reasons=[str(error)])
        facts = replace(facts, verdict=verdict)
        if not verdict.passed:
            return replace(facts, result="refused", reasons=verdict.reasons)
        return self._promoted(draft, facts, verdict)

    def _checkpoint(self, model: MoS, facts: FineTuning) -> ModelCheckpoint:
        old = self.champion
        training = old.training | {
            LEARNED_TO: facts.learned_to,
            "fine_tuned_from": old.version,
            "router_revision": facts.revision,
            "fine_tuning": asdict(self.config) | {"examples_learned": facts.examples},
        }
        return ModelCheckpoint(
            model=model,
            router=old.router if self.epoch is None else self.epoch.router,
            items=list(self.data.catalogue.items),
            categories=list(self.data.catalogue.categories),
            popular=most_clicked(self.data.log),
            half_life_ms=old.half_life_ms,
            co_click_half_life_ms=old.co_click_half_life_ms,
            training=training,
            catalogued=old.catalogued.without(self.data.catalogue.items),
        )

    def _verdict(self, draft: Path) -> Verdict:
        """Judge what was stored, and not what is in the memory.

        Raises:
            ModelError: the candidate cannot be read, or does not rank.
        """
        data = self.data
        check_model(draft)
        candidate = ModelCheckpoint.from_pretrained(draft).model
        champion = grown(self.champion, data.catalogue, data.routing, data.router, gap_ms=data.log.gap_ms)
        known = len(self.champion.items)
        sides = (candidate, self.own), (champion, data)
        held_out = [judge(model, side.held_out, data.log_share, known=known) for model, side in sides]
        earlier = [judge(model, side.earlier, data.log_share, known=known) for model, side in sides]
        asked, gap = [*made_requests(data, REQUESTS + WARM_UP - len(self.logged)), *self.logged], data.log.gap_ms
        both = served(draft, self.own.router, gap_ms=gap), served(self.folder, data.router, gap_ms=gap)
        positions = data.window.held_out
        return decide(
            held_out[0],
            held_out[1],
            data.log.users[positions],
            slices_of(data.log, data.routing.event_theme, data.learned.log.items, positions, known=known),
            earlier=(earlier[0], earlier[1], data.log.users[data.window.earlier]),
            shadow=shadow(*both, asked, logged=len(self.logged)),
        )

    def _promoted(self, draft: Path, facts: FineTuning, verdict: Verdict) -> FineTuning:
        """Put it into service, unless it is to be held or somebody has put another model there meanwhile."""
        gains = {"gauc_gain": verdict.gauc.mean, "gauc_gain_low": verdict.gauc.low, "ndcg_gain": verdict.ndcg.mean}
        version = self.registry.add(draft, metrics=gains)
        if self.hold:
            return replace(facts, result="held")
        try:
            self.registry.promote(version, check_model, instead_of=self.champion.version)
        except RegistryError:
            raise
        except ModelError as error:
            return replace(facts, result="refused", reasons=[str(error)])
        return replace(facts, result="promoted")


def served(folder: Path, router: Router, *, gap_ms: int) -> Recommender:
    """A model as it is in service, under a revision of its epoch; ``gap_ms``: silence that ends a session."""
    loaded = Recommender.load(folder, gap_ms=gap_ms)
    return loaded.revised(router) if router.sequence else loaded
