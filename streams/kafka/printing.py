r"""Writes what lies in a record for people, and for programs that read lines.

Control characters are escaped: with them, a record could move the cursor of a terminal or hide what it says.
"""

from __future__ import annotations

import msgspec

from mos_online.contracts import NOT_JSON

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_IN_TEXT = {code: f"\\x{code:02x}" for code in _CONTROLS}
_IN_JSON = {code: f"\\u{code:04x}" for code in _CONTROLS}


def printable(data: bytes | None) -> str:
    r"""The bytes as one line of text; what is not UTF-8 becomes U+FFFD.

    >>> print(printable(b"a\nb\x1b[2J"))
    a\x0ab\x1b[2J
    """
    return (data or b"").decode(errors="replace").translate(_IN_TEXT)


def json_line(data: bytes | None) -> str:
    r"""A JSON document of one line: the bytes if they are JSON, else a string of them; null where there are none.

    >>> json_line(b'{"a": 1,\n "b": 2}'), json_line(b"{"), json_line(None)
    ('{"a":1,"b":2}', '"{"', 'null')
    """
    if data is None:
        return "null"
    try:
        msgspec.json.decode(data)
        line = msgspec.json.format(data, indent=-1)
    except NOT_JSON:
        line = msgspec.json.encode(data.decode(errors="replace"))
    return line.decode().translate(_IN_JSON)
