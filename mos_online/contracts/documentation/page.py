"""The wire format for people: a page in Markdown."""

from __future__ import annotations

import json
from typing import Any

from mos_online.contracts.documentation.schemas import MESSAGES, definitions, rules
from mos_online.contracts.topics import ACCEPTED_CLICKS, JOINER_CHECKPOINTS, SESSIONIZER_CHECKPOINTS

_SCALARS = {"string", "integer", "number", "boolean", "null"}

_INTRODUCTION = """# Topics

This page is made from `mos_online/contracts/` by `make schemas`; do not edit it. For programs there is a JSON Schema
of each topic in [schemas](schemas), and an [AsyncAPI document](schemas/asyncapi.json) of all of them.

Messages are JSON in UTF-8. The key of a record is the `user_id`, except on `learning-events` and `router-updates`,
where it is the arm, on `dead-letters`, whose records keep the key of the record that could not be used, and on the
three internal topics at the end of this page. Times are integers, in milliseconds since 1970-01-01 UTC. A scalar is a
string, a number, a boolean or null. Bytes are base64.
"""


_ACCEPTED = f"""## `{ACCEPTED_CLICKS}`

This topic belongs to the worker alone: do not read it or write to it. It has the clicks that are in a session, in a
short form. The popularity counts them, and the joiner joins them to answers. The key and the partition number are
those of the partition of `clicks`. The format may change with any version.
"""

_CHECKPOINTS = f"""## `{SESSIONIZER_CHECKPOINTS}`

This topic belongs to the sessionizer alone: do not read it or write to it. It is compacted. For each partition of
`clicks` it holds the last checkpoint, from which a worker continues after a restart, in one record or in several. The
partition number is that of the partition of `clicks`. The format may change with any version.
"""


_JOINED = f"""## `{JOINER_CHECKPOINTS}`

This topic belongs to the joiner alone: do not read it or write to it. It is compacted. For each partition of
`decisions` it holds the last checkpoint, from which a worker continues after a restart, in one record or in several.
The partition number is that of the partition of `decisions`. The format may change with any version.
"""


def page() -> str:
    """List the topics and the fields of their messages; each type is described where it first appears."""
    lines = [_INTRODUCTION]
    described: set[str] = set()
    for topic, kinds in MESSAGES.items():
        lines += [f"## `{topic}`", "", rules(topic), ""]
        for name, schema in definitions(kinds, "{name}").items():
            if name not in described:
                described.add(name)
                lines += _type(name, schema)
    return "\n".join([*lines, _ACCEPTED, _CHECKPOINTS, _JOINED]).rstrip() + "\n"


def _type(name: str, schema: dict[str, Any]) -> list[str]:
    lines = [f"### {name}", "", schema["description"], "", "| field | type | required | meaning |", "|---|---|---|---|"]
    required_fields = schema.get("required", [])
    for field, kind in sorted(schema["properties"].items(), key=lambda item: item[0] not in required_fields):
        required = "yes" if field in required_fields else "no"
        lines.append(f"| `{field}` | {_words(kind)} | {required} | {kind.get('description', '')} |")
    return [*lines, ""]


def _words(schema: dict[str, Any]) -> str:
    """A field's type in a few words."""
    match schema:
        case {"$ref": name}:
            words = f"[{name}](#{name.lower()})"
        case {"anyOf": choices}:
            found = [_words(choice) for choice in choices]
            if set(found) >= _SCALARS:
                found = ["scalar", *(word for word in found if word not in _SCALARS)]
            words = " or ".join(found)
        case {"enum": values}:
            words = " or ".join(f"`{json.dumps(value)}`" for value in values)
        case {"type": "array", "items": inner}:
            words = f"list of {_words(inner)}"
        case {"type": "object", "additionalProperties": inner}:
            words = f"object of {_words(inner)}"
        case {"type": kind, "contentEncoding": encoding}:
            words = f"{kind} ({encoding})"
        case _:
            words = str(schema["type"])
    return words
