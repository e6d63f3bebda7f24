"""The shell commands of the documentation, block by block, and why some are not run.

A block of a page is run as it stands by ``tests/integration/test_documented_commands.py``, unless the line before it
says why not: ``<!-- not run: it needs Docker -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("mos", "make", "curl", "docker", "pip", "export", "git", "python", ".venv/bin/", "kafka-")
"""How the first line of a block of commands begins."""

_BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Commands of a page, or a program of it.

    Attributes:
        page: its path from the root.
        language: ``""`` for shell commands, or ``python``.
        text: what is between the fences.
        not_run: why it is not run; None if it is.
    """

    page: str
    language: str
    text: str
    not_run: str | None


def blocks(page: str) -> Iterator[Block]:
    """All blocks of shell commands and of Python on a page, in order."""
    for reason, language, text in _BLOCK.findall((ROOT / page).read_text()):
        shell = language in {"", "sh"} and text.startswith(PROGRAMS)
        if shell or language == "python":
            yield Block(page, "python" if language == "python" else "", text, reason or None)
