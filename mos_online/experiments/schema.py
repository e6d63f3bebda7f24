"""The JSON Schema of ``experiments.yaml``, for editors.

    python -m mos_online.experiments.schema docs/schemas/experiments.json

writes it; ``make schemas`` does so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from mos_online.experiments.plan import Plan


def schema() -> str:
    """The schema (draft 2020-12), as text."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "experiments"}
    return json.dumps(head | msgspec.json.schema(Plan), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema(), encoding="utf-8")
