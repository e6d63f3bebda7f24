"""Reads compressed bodies, no further than the largest body."""

from __future__ import annotations

import zlib

from serving.http.problem import Problem, too_large

_GZIP = 31
"""zlib's window bits for gzip and nothing else."""


def decoded(raw: bytes, encoding: str, *, limit: int) -> bytes:
    """Return the bytes of a body without its ``Content-Encoding``.

    Args:
        raw: the body as it came.
        encoding: the header's value, empty if there is none.
        limit: largest size in bytes of the result; no more is unpacked.

    Raises:
        Problem: 415, the encoding is another one than gzip; 413, the body is larger; 400, it is not gzip, or cut short.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return raw
    if name != "gzip":
        raise Problem(
            415,
            "unsupported_encoding",
            f"bodies with Content-Encoding: {encoding} are not read",
            fix="send the body as it is, or with gzip",
            headers={"Accept-Encoding": "gzip"},
        )
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(raw, limit + 1)
    except zlib.error as error:
        raise _not_gzip(str(error)) from None
    if len(body) > limit:
        raise too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise _not_gzip("it is cut short" if not unpacker.eof else "something follows its end")
    return body


def _not_gzip(detail: str) -> Problem:
    return Problem(400, "not_gzip", f"the body is not gzip: {detail}", fix="send one whole gzip stream")
