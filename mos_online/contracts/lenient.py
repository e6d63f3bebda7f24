"""Rewrites JSON that says the right thing in another form: numbers as ids, and contexts that are deeper than a list.

The rules hold for events of the topic ``clicks`` and of requests over HTTP alike:

- A number as an id becomes text in one way: 12, 12.0 and 1.2e1 become "12", and 12.5 becomes "12.5". The text is
  exact, whatever the number's length. Booleans and null are no ids.
- A value of a context that is neither a scalar nor a list of scalars becomes a string: its JSON text.
- Half a surrogate pair in a string (an emoji cut in two) becomes U+FFFD, except in an id.

A message is rewritten only when it cannot be read as it is, so an ordinary one does not pay for any of this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec
from msgspec import Raw

from mos_online.contracts.fields import MAX_ID, Scalar

IDS = ("user_id", "event_id", "item_id", "session_id", "request_id")
"""The fields that are ids; each may be sent as a number."""

ID_LISTS = ("exclude", "item_ids")
"""The fields that are lists of ids."""

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that are not JSON, not UTF-8, or nested without end."""

T = TypeVar("T")
Lists = str | tuple[str, ...]
"""The name of a list of objects; several where an object has several."""

_Fields = dict[str, Raw]
_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(_Fields)
_values = msgspec.json.Decoder(list[Raw])
_string = msgspec.json.Decoder(str)
_context_value = msgspec.json.Decoder(Scalar | list[Scalar])

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""A whole surrogate pair, half of one (group 1), or any other escape."""


def decode_leniently(decoder: msgspec.json.Decoder[T], raw: bytes, *lists: Lists) -> T:
    """Decode ``raw`` as it is or, if ``decoder`` refuses that, rewritten.

    Args:
        decoder: of a struct.
        raw: a JSON object.
        lists: see ``LooseObject.rewritten``.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: see ``LooseObject``. An error of ``decoder``
            (msgspec.ValidationError) is about what is wrong apart from the things that are rewritten.
    """
    try:
        return decoder.decode(raw)
    except NOT_JSON:
        return decoder.decode(LooseObject(raw).rewritten(*lists))


class LooseObject:
    """A JSON object whose values have not been read yet.

    Attributes:
        fields: the bytes of each value, by name.
    """

    __slots__ = ("_repaired", "fields")

    def __init__(self, raw: bytes) -> None:
        """Find the fields of the object in ``raw``.

        Raises:
            msgspec.ValidationError: ``raw`` is JSON but not an object.
            msgspec.DecodeError: ``raw`` is not JSON.
            UnicodeDecodeError: the name of a field is not UTF-8.
            RecursionError: ``raw`` is nested deeper than the decoder can follow (about a thousand levels).
        """
        whole = repair(raw)
        self.fields = _fields.decode(whole)
        self._repaired = whole != raw

    def rewritten(self, *lists: Lists) -> bytes:
        """Write the object as JSON, with ids as text and contexts as scalars and lists of scalars.

        Args:
            lists: names of nested lists of objects with the same rules, from the outermost to the innermost; a tuple
                where one object has several.

        Raises:
            msgspec.DecodeError: an id has half a surrogate pair.
            UnicodeDecodeError: a string is not UTF-8.

        >>> LooseObject(b'{"user_id": 12.0, "context": {"sizes": [1, [2]]}}').rewritten()
        b'{"user_id":"12","context":{"sizes":"[1, [2]]"}}'
        """
        fields = dict(self.fields)
        _rewrite(fields, lists, repaired=self._repaired)
        return _encode(fields)


def repair(raw: bytes) -> bytes:
    r"""Put U+FFFD in the place of every half of a surrogate pair, which the decoder would refuse.

    >>> print(repair(rb'"a \ud83d b \ud83d\ude00"').decode())
    "a \ufffd b \ud83d\ude00"
    """
    if b"\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], raw)


def _rewrite(fields: _Fields, lists: Sequence[Lists], *, repaired: bool) -> None:
    for name in IDS:
        if name in fields:
            fields[name] = _id(fields[name], repaired=repaired)
    for name in ID_LISTS:
        if name in fields and (ids := _list(fields[name])) is not None:
            fields[name] = Raw(_encode([_id(value, repaired=repaired) for value in ids]))
    if "context" in fields:
        fields["context"] = _context(fields["context"])
    for name in _names(lists):
        if name in fields and (values := _list(fields[name])) is not None:
            fields[name] = Raw(_encode([_nested(value, lists[1:], repaired=repaired) for value in values]))


def _names(lists: Sequence[Lists]) -> tuple[str, ...]:
    first = lists[0] if lists else ()
    return (first,) if isinstance(first, str) else first


def _nested(value: Raw, lists: Sequence[Lists], *, repaired: bool) -> _Fields | Raw:
    try:
        fields = _fields.decode(value)
    except msgspec.ValidationError:  # no object, which is for the caller's decoder to refuse
        return value
    _rewrite(fields, lists, repaired=repaired)
    return fields


def _list(value: Raw) -> list[Raw] | None:
    try:
        return _values.decode(value)
    except msgspec.ValidationError:
        return None


def _id(value: Raw, *, repaired: bool) -> Raw:
    """An id as text; anything but a number stays what it is."""
    raw = bytes(value)
    if raw.startswith(b'"'):
        if repaired and "\ufffd" in _string.decode(raw):
            raise msgspec.DecodeError("half a surrogate pair in an id")
        return value
    whole = raw.removesuffix(b".0")
    if whole.isdigit():
        return Raw(b'"%b"' % whole)
    if raw[:1] in b"-0123456789" and (text := number_text(raw.decode())) is not None:
        return Raw(b'"%b"' % text.encode())
    return value


def number_text(number: str) -> str | None:
    """Write a number in its one way, without exponent and without zeros that say nothing.

    Returns:
        The text, or None if it is longer than an id may be.


    >>> [number_text(number) for number in ("12", "12.0", "12.50", "1.2e1", "-0", "1e300")]
    ['12', '12', '12.5', '12', '0', None]
    """
    try:
        value = Decimal(number)
    except InvalidOperation:  # an exponent of twenty digits
        return None
    if not value:
        return "0"
    if abs(value.adjusted()) >= MAX_ID:  # before it is written out: an exponent may ask for gigabytes
        return None
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if len(text) <= MAX_ID else None


def _context(value: Raw) -> Raw:
    try:
        context = _fields.decode(value)
    except msgspec.ValidationError:  # null, or what the caller's decoder refuses
        return value
    return Raw(_encode({name: _context_field(inner) for name, inner in context.items()}))


def _context_field(value: Raw) -> Raw | str:
    raw = bytes(value)
    if not raw.startswith(b"{"):
        try:
            _context_value.decode(raw)
        except msgspec.ValidationError:  # a list with objects or lists in it, or a number that no float holds
            return raw.decode()
        return value
    return raw.decode()
