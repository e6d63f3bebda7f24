"""Messages of the topic ``router-updates``: revisions of the router."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import Count, Id, Milliseconds, Name
from mos_online.errors import ContractError

MAX_ROWS = 2_000
"""Rows in a message; an update with more names the file that has them."""

ROW_BYTES = 2
"""Bytes of a number of a row: int16, in units of 2^-14."""


class RouterUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A revision of the router, said relative to the router that began its epoch: the base.

    Whoever has the base can use it, whatever came between. Of two the one with the higher sequence counts. Its key is
    the arm.
    """

    arm: Annotated[Id, Meta(description="Who is served with it; `champion` without an experiment.")]
    epoch: Annotated[Name, Meta(description="The version of the base. Within an epoch theme ids mean the same.")]
    sequence: Annotated[Count, Meta(description="Number in the epoch, from 1 on.")]
    version: Annotated[Name, Meta(description="A hash of the content of the revision, all rows included.")]
    effective_from: Annotated[
        Milliseconds,
        Meta(description="It routes sessions whose `watermark` is not before; milliseconds."),
    ]
    through_watermark: Annotated[
        Milliseconds, Meta(description="The `watermark` of the last session that it was made from.")
    ]
    through_session: Annotated[Annotated[str, Meta(max_length=1024)], Meta(description="The id of that session.")]
    sessions: Annotated[Count, Meta(description="How many sessions it was made from.")]
    tau: Annotated[float, Meta(description="Least cosine of a routed session.")]
    prototypes: Annotated[
        bytes, Meta(description="int16 (little endian) of each number of the K prototypes, in units of 2^-14.")
    ]
    item_ids: Annotated[list[Id], Meta(description="Items whose rows differ from the base, or are not there.")]
    rows: Annotated[bytes, Meta(description="int16 of each number of their rows, in units of 2^-14.")]
    artefact: Annotated[
        Name | None,
        Meta(
            description=f"With more than {MAX_ROWS} rows: the file of the model registry that has them; `item_ids` and "
            "`rows` are empty then. Else null."
        ),
    ] = None
    restores: Annotated[
        Count | None, Meta(description="Of a rollback: the sequence whose content it has; 0 for the base. Else null.")
    ] = None
    held: Annotated[bool, Meta(description="No further revision follows until somebody allows it.")] = False


_update = msgspec.json.Decoder(RouterUpdate)


def decode_router_update(raw: bytes) -> RouterUpdate:
    """Decode a revision.

    Raises:
        ContractError: it is not JSON, or a field is missing, mistyped or out of range, or the rows do not fit.
    """
    try:
        update = _update.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ContractError("invalid", f"no revision of a router: {error}") from None
    if len(update.rows) % (ROW_BYTES * max(1, len(update.item_ids))) or bool(update.rows) != bool(update.item_ids):
        raise ContractError("invalid", f"{len(update.rows)} bytes of rows for {len(update.item_ids)} items")
    return update
