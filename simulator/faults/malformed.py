"""Malformed messages, each with the reason that its dead letter will give."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mos_online import contracts
from mos_online.contracts import Click


def _truncated(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def _not_utf8(raw: bytes) -> bytes:
    return raw.replace(b'"event_id":"', b'"event_id":"\xff', 1)


def _array(raw: bytes) -> bytes:
    return b"[" + raw + b"]"


def _without_item(raw: bytes) -> bytes:
    fields = msgspec.json.decode(raw)
    del fields["item_id"]
    return contracts.encode(fields)


def _time_as_text(raw: bytes) -> bytes:
    fields = msgspec.json.decode(raw)
    return contracts.encode(fields | {"timestamp": str(fields["timestamp"])})


def _tombstone(raw: bytes) -> None:
    return None


MALFORMATIONS: tuple[tuple[str, Callable[[bytes], bytes | None]], ...] = (
    ("not_json", _truncated),
    ("not_json", _not_utf8),
    ("not_object", _array),
    ("invalid", _without_item),
    ("invalid", _time_as_text),
    ("empty", _tombstone),
)
"""(reason of ``ContractError``, what it does to an encoded click); None is a message without a value."""


def malform(click: Click, malformation: int) -> bytes | None:
    """The value of a message that ought to have been ``click``, broken as ``MALFORMATIONS`` says at this index."""
    _, breaks = MALFORMATIONS[malformation]
    return breaks(contracts.encode(click))
