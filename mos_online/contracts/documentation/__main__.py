"""Writes the documents of the topics into a folder.

    python -m mos_online.contracts.documentation docs

writes ``topics.md``, ``schemas/<topic>.json`` and ``schemas/asyncapi.json``; ``make schemas`` does so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mos_online.contracts.documentation.page import page
from mos_online.contracts.documentation.schemas import MESSAGES, asyncapi, json_schema


def files() -> dict[str, str]:
    """Make the documents: path inside the folder -> text."""
    schemas = {f"schemas/{topic}.json": _pretty(json_schema(topic)) for topic in MESSAGES}
    return schemas | {"schemas/asyncapi.json": _pretty(asyncapi()), "topics.md": page()}


def write(folder: Path) -> None:
    """Write the documents into ``folder``."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
