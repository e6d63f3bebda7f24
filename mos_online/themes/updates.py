"""Revisions as messages, and back."""

from __future__ import annotations

import msgspec
import numpy as np

from mos_online.arrays import Floats32
from mos_online.contracts import MAX_MESSAGE_BYTES, MAX_ROWS, RouterUpdate, encode
from mos_online.errors import ModelError
from mos_online.themes.router import GRID, Router

_INT16 = np.dtype("<i2")


def update_of(
    base: Router,
    revision: Router,
    *,
    arm: str,
    effective_from: int,
    through: tuple[int, str],
    sessions: int,
    restores: int | None = None,
    held: bool = False,
) -> RouterUpdate:
    """The message of a revision, with all its rows.

    Args:
        base: the router that began the epoch.
        revision: of the epoch.
        arm, effective_from, sessions, restores, held: as the fields of the message.
        through: watermark and id of the last session.
    """
    old, new = base.tensors()["table"], revision.tensors()["table"]
    moved = np.flatnonzero((old != new[: len(old)]).any(1)).tolist() + list(range(len(old), len(new)))
    watermark, session = through
    return RouterUpdate(
        arm=arm,
        epoch=base.epoch,
        sequence=revision.sequence,
        version=revision.version,
        effective_from=effective_from,
        through_watermark=watermark,
        through_session=session,
        sessions=sessions,
        tau=revision.tau,
        prototypes=_packed(revision.prototypes),
        item_ids=[revision.items[row] for row in moved],
        rows=_packed(new[moved]),
        restores=restores,
        held=held,
    )


def restored(
    base: Router, newest: RouterUpdate, content: RouterUpdate | None, *, effective_from: int, held: bool
) -> RouterUpdate:
    """A revision that follows the newest and has the content of an earlier one.

    Args:
        base: the router that began the epoch.
        newest: the revision in service.
        content: an earlier revision with all its rows, or ``newest``; None: the base.
        effective_from: event time, ms; it begins after ``newest`` in any case.
        held: no further revision follows.

    Raises:
        ModelError: as ``revision_of``.
    """
    earlier = base if content is None else revision_of(base, content)
    nothing = np.zeros((0, base.dimensions))
    again = earlier.revised([], nothing, prototypes=earlier.prototypes, tau=earlier.tau, sequence=newest.sequence + 1)
    return update_of(
        base,
        again,
        arm=newest.arm,
        effective_from=max(effective_from, newest.effective_from + 1),
        through=(newest.through_watermark, newest.through_session),
        sessions=0 if content is None else content.sessions,
        restores=0 if content is None else content.sequence,
        held=held,
    )


def shortened(update: RouterUpdate, artefact: str) -> RouterUpdate:
    """The same for a topic or a store: one of many rows, or with very long ids, names the file that has them."""
    if len(update.item_ids) <= MAX_ROWS and len(encode(update)) <= MAX_MESSAGE_BYTES:
        return update
    return msgspec.structs.replace(update, item_ids=[], rows=b"", artefact=artefact)


def revision_of(base: Router, update: RouterUpdate) -> Router:
    """The revision of a message that has all its rows.

    Raises:
        ModelError: it is of another epoch, not whole, or not what its version says.
    """
    if update.epoch != base.epoch:
        raise ModelError(
            f"revision {update.sequence} is of epoch {update.epoch}, the model's router of epoch {base.epoch}; put a "
            f"model of that epoch into service"
        )
    if update.artefact is not None:
        raise ModelError(f"revision {update.sequence} of {update.epoch} has its rows in {update.artefact}: read that")
    try:
        rows = _unpacked(update.rows, base.dimensions)
        prototypes = _unpacked(update.prototypes, base.dimensions)
        revision = base.revised(update.item_ids, rows, prototypes=prototypes, tau=update.tau, sequence=update.sequence)
    except ValueError as error:
        raise ModelError(_damaged(update, str(error))) from None
    if revision.version != update.version:
        raise ModelError(_damaged(update, f"its content is {revision.version}"))
    return revision


def _damaged(update: RouterUpdate, why: str) -> str:
    return (
        f"revision {update.sequence} of router {update.epoch} is damaged: it says {update.version}, but {why}; "
        f"`mos routers rollback` goes back to an earlier one"
    )


def _packed(rows: Floats32) -> bytes:
    packed: bytes = np.rint(rows * GRID).astype(_INT16).tobytes()
    return packed


def _unpacked(content: bytes, dimensions: int) -> Floats32:
    numbers = np.frombuffer(content, _INT16).reshape(-1, dimensions)
    return (numbers / GRID).astype(np.float32)
