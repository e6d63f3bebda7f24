"""One fine-tuning, start to finish: learn, judge, promote or refuse, and write down why."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from msgspec.structs import replace

from mos_online.contracts import EventTypes, Session
from mos_online.errors import ModelError, RegistryError
from mos_online.fine_tuning.card import fine_tuned_card
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.data import TuningData, prepare_tuning
from mos_online.fine_tuning.gate import Verdict, decide
from mos_online.fine_tuning.history import FineTuning, History
from mos_online.fine_tuning.judged import judge
from mos_online.fine_tuning.latency import requests_of, slowest
from mos_online.fine_tuning.slices import slices_of
from mos_online.fine_tuning.tune import tune
from mos_online.fine_tuning.warm_start import admit, grown
from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.probe import check_model
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.registry.revisions import routers_of
from mos_online.training.publish import most_clicked

LEARNED_TO = "learned_to"
"""The key of ``ModelCheckpoint.training`` that says before which event time (ms) a model has learned."""

Say = Callable[[str], None]


def fine_tune(
    registry: Registry,
    sessions: Sequence[Session],
    history: History,
    *,
    types: EventTypes,
    gap_ms: int,
    config: FineTuneConfig,
    why: str,
    say: Say = lambda line: None,
) -> FineTuning:
    """Make a candidate of the champion, and promote it if it passes the gate.

    Nothing is put into the registry before the gate has passed. So a crash at any moment leaves the champion, and the
    versions of other people are not pushed out by candidates that nobody wants.

    Args:
        registry: whose champion it is.
        sessions: what the learner has kept.
        history: is told what became of it.
        types, gap_ms: the rules of the sessions.
        config: limits.
        why: what it is made for, for people.
        say: is given a line at each stage.

    Raises:
        DatasetError: too little has happened since the champion learned.
        ModelError: there is no champion, or it or a revision of its router is damaged.
        RegistryError: the registry cannot be read or written.
    """
    began = time.monotonic()
    torch.set_num_threads(config.threads)
    name = registry.champion()[1]
    folder = registry.fetch(name)
    champion = ModelCheckpoint.from_pretrained(folder)
    learned_to = champion.training.get(LEARNED_TO)
    data = prepare_tuning(
        champion,
        sessions,
        types=types,
        gap_ms=gap_ms,
        routers=routers_of(registry, champion.router),
        learned_to=learned_to,
        config=config,
    )
    say(f"learning from {data.learned.count:,} clicks, {len(data.window.replayed):,} of them replayed")
    with tempfile.TemporaryDirectory() as draft:
        cycle = _Cycle(registry, history, champion, folder, data, config, Path(draft), why)
        result = replace(cycle.run(say), seconds=round(time.monotonic() - began, 1))
    history.add(result)
    return result


@dataclass(frozen=True)
class _Cycle:
    """What the steps of one fine-tuning share."""

    registry: Registry
    history: History
    champion: ModelCheckpoint
    folder: Path
    data: TuningData
    config: FineTuneConfig
    draft: Path
    why: str

    def run(self, say: Say) -> FineTuning:
        data = self.data
        model = grown(self.champion, data.catalogue, data.routing, data.router)
        admit(model, data.catalogue, data.log, first=len(self.champion.items) + 1, border=data.window.border)
        facts = FineTuning(
            at=time.time_ns() // 1_000_000,
            why=self.why,
            champion=self.champion.version,
            candidate=None,
            result="failed",
            reasons=[],
            learned_to=data.window.border,
            examples=tune(model, data, self.config),
            replayed=len(data.window.replayed),
            new_items=len(data.catalogue.items) - len(self.champion.items),
            held_out=data.held_out.count,
            revision=data.router.sequence,
        )
        candidate = self._checkpoint(model, facts)
        facts = replace(facts, candidate=candidate.version)
        if candidate.version in self.history.judged():
            return replace(facts, reasons=["it has been judged before, and a candidate has one look"])
        candidate.save_pretrained(self.draft, fine_tuned_card(facts, len(data.catalogue.items)))
        say(f"judging {candidate.version} by {facts.held_out:,} newest clicks")
        try:
            verdict = self._verdict()
        except RegistryError:
            raise
        except ModelError as error:
            return replace(facts, reasons=[str(error)])
        facts = replace(facts, verdict=verdict)
        if not verdict.passed:
            return replace(facts, result="refused", reasons=verdict.reasons)
        return self._promoted(facts, verdict)

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
            router=old.router,
            items=list(self.data.catalogue.items),
            categories=list(self.data.catalogue.categories),
            popular=most_clicked(self.data.log),
            half_life_ms=old.half_life_ms,
            co_click_half_life_ms=old.co_click_half_life_ms,
            training=training,
        )

    def _verdict(self) -> Verdict:
        """Judge what was stored, and not what is in the memory.

        Raises:
            ModelError: the candidate cannot be read, or does not rank.
        """
        data = self.data
        check_model(self.draft)
        candidate = ModelCheckpoint.from_pretrained(self.draft).model
        champion = grown(self.champion, data.catalogue, data.routing, data.router)
        known = len(self.champion.items)
        held_out = [judge(model, data.held_out, data.log_share, known=known) for model in (candidate, champion)]
        earlier = [judge(model, data.earlier, data.log_share, known=known) for model in (candidate, champion)]
        latency = slowest(self._served(self.draft), self._served(self.folder), requests_of(data))
        positions = data.window.held_out
        return decide(
            held_out[0],
            held_out[1],
            data.log.users[positions],
            slices_of(data.log, data.routing.event_theme, data.learned.log.items, positions, known=known),
            earlier=(earlier[0], earlier[1], data.log.users[data.window.earlier]),
            latency=latency,
        )

    def _served(self, folder: Path) -> Recommender:
        """A model as it is in service: under the newest revision."""
        loaded = Recommender.load(folder)
        return loaded.revised(self.data.router) if self.data.router.sequence else loaded

    def _promoted(self, facts: FineTuning, verdict: Verdict) -> FineTuning:
        """Put the candidate into service, unless somebody has put another model there meanwhile."""
        gains = {"gauc_gain": verdict.gauc.mean, "gauc_gain_low": verdict.gauc.low, "ndcg_gain": verdict.ndcg.mean}
        version = self.registry.add(self.draft, metrics=gains)
        try:
            self.registry.promote(version, check_model, instead_of=self.champion.version)
        except RegistryError:
            raise
        except ModelError as error:
            return replace(facts, result="refused", reasons=[str(error)])
        return replace(facts, result="promoted")
