"""State as JSON: equal states give equal bytes, and numbers come back as they were."""

from __future__ import annotations

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical(value: object) -> bytes:
    """A value of structs, lists, dicts and numbers as JSON, with the keys of all objects in order.

    >>> canonical({2: 0.1, 10: None})
    b'{"10":null,"2":0.1}'
    """
    return _encode(msgspec.to_builtins(value, str_keys=True))
