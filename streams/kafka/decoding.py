"""Decodes the values of our own topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from mos_online.contracts import MAX_MESSAGE_BYTES, NOT_JSON
from mos_online.errors import ContractError

T = TypeVar("T")


def json_decoder(message: type[T]) -> Callable[[bytes | None], T]:
    """A function that decodes a record's value into ``message``, a msgspec struct.

    The function raises ``ContractError``: "empty" for a record without a value, "too_large" for one of more than
    ``MAX_MESSAGE_BYTES``, "not_json", or "invalid" where a field is missing, mistyped or out of range.

    >>> class Greeting(msgspec.Struct):
    ...     text: str
    >>> json_decoder(Greeting)(b'{"text": "hello"}')
    Greeting(text='hello')
    """
    decode = msgspec.json.Decoder(message).decode

    def decoded(value: bytes | None) -> T:
        if value is None:
            raise ContractError("empty", "the record has no value (a tombstone)")
        if len(value) > MAX_MESSAGE_BYTES:
            raise ContractError("too_large", f"{len(value)} bytes; at most {MAX_MESSAGE_BYTES} are read")
        try:
            return decode(value)
        except msgspec.ValidationError as error:
            raise ContractError("invalid", str(error)) from None
        except NOT_JSON as error:
            raise ContractError("not_json", f"not JSON: {error}") from None

    return decoded
