"""One fine-tuning, start to finish: a candidate, or two where a new epoch is asked for, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from mos_online.contracts import EventTypes, Outcome, Session
from mos_online.errors import ModelError, RegistryError
from mos_online.fine_tuning.attempt import LEARNED_TO, Attempt, Say
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.data import prepare_tuning
from mos_online.fine_tuning.history import FineTuning, History
from mos_online.fine_tuning.shadow import logged_requests
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.registry import Registry
from mos_online.registry.revisions import routers_of
from mos_online.themes.new_epoch import NewEpoch, new_epoch
from mos_online.themes.visits import visit_of
from mos_online.users.ring_sizes import RingSizes


def fine_tune(
    registry: Registry,
    sessions: Sequence[Session],
    history: History,
    *,
    types: EventTypes,
    gap_ms: int,
    config: FineTuneConfig,
    why: str,
    refit: bool = False,
    earlier: Sequence[Session] = (),
    outcomes: Sequence[Outcome] = (),
    hold: bool = False,
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
        refit: whether the candidate begins a new epoch, with a router that is fitted anew. If it is refused, a second
            one is made that stays in the epoch.
        earlier: what the users did before, see ``earlier_sessions``: histories, and what may be replayed.
        outcomes: of the newest answers: candidate and champion are asked the same again.
        hold: whether a candidate that passes is not promoted, but left in the registry as the candidate.
        say: is given a line at each stage.

    Raises:
        DatasetError: too little has happened since the champion learned.
        ModelError: there is no champion, or it or a revision of its router is damaged.
        RegistryError: the registry cannot be read or written.
    """
    torch.set_num_threads(config.threads)
    name = registry.champion()[1]
    folder = registry.fetch(name)
    champion = ModelCheckpoint.from_pretrained(folder)
    routers = routers_of(registry, champion.router)
    data = prepare_tuning(
        champion,
        [*earlier, *sessions],
        types=types,
        gap_ms=gap_ms,
        routers=routers,
        learned_to=_learned_to(champion, sessions if earlier else ()),
        config=config,
    )
    say(f"learning from {data.learned.count:,} clicks, {len(data.window.replayed):,} of them replayed")
    sizes = RingSizes(recent=champion.model.config.recent, theme=champion.model.config.theme_ring)
    logged = logged_requests(outcomes, [*earlier, *sessions], routers, sizes)
    attempt = Attempt(registry, history, champion, folder, data, config, logged, why, hold)
    if refit:
        result = _in_new_epoch(attempt, sessions, say)
        history.add(result)
        if result.result in {"promoted", "held"}:
            return result
        say(f"no new epoch begins: {'; '.join(result.reasons)}")
    result = attempt.run(say)
    history.add(result)
    return result


def _learned_to(champion: ModelCheckpoint, kept: Sequence[Session]) -> int | None:
    """Before which event time (ms) nothing is new: the champion has learned it, or it is from before the kept ones."""
    learned: int | None = champion.training.get(LEARNED_TO)
    return max(learned or 0, kept[0].started_at) if kept else learned  # the first one: later ones may have been late


def _in_new_epoch(attempt: Attempt, sessions: Sequence[Session], say: Say) -> FineTuning:
    """What became of a candidate that begins a new epoch, or why there is none."""
    try:
        epoch = _fitted(attempt, sessions)
    except RegistryError:
        raise
    except ModelError as error:
        return _refused(attempt, [str(error)])
    if epoch.refused:
        return _refused(attempt, epoch.refused)
    say(f"router {epoch.router.version} begins an epoch; it was fitted on {epoch.sessions:,} sessions")
    return replace(attempt, epoch=epoch).run(say)


def _fitted(attempt: Attempt, sessions: Sequence[Session]) -> NewEpoch:
    """A router that has not seen what the candidate is judged by."""
    base, border = attempt.champion.router, attempt.data.window.border
    newest = attempt.registry.routers(base.epoch).newest()
    if newest is not None and newest.held:
        raise ModelError(
            f"somebody has gone back to an earlier revision of router {base.epoch}, and nothing may follow it before "
            f"`mos routers resume`"
        )
    visits = sorted(map(visit_of, (one for one in sessions if one.ended_at < border)), key=lambda visit: visit[:3])
    return new_epoch(attempt.data.router, visits)


def _refused(attempt: Attempt, reasons: list[str]) -> FineTuning:
    return FineTuning(
        at=time.time_ns() // 1_000_000,
        why=attempt.why,
        champion=attempt.champion.version,
        candidate=None,
        result="refused",
        reasons=[f"a new epoch: {reason}" for reason in reasons],
    )
