"""Dead letters as people and programs read them. Whatever a record says, it is text here and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from mos_cli.utc import utc_text
from streams.kafka.letters import FoundLetter
from streams.kafka.printing import json_line, printable
from streams.kafka.resending import Resending

SHOWN = 200
"""Characters of a message in a table."""


def letter_document(found: FoundLetter) -> str:
    """One line of JSON: the letter and its name."""
    return json_line(msgspec.json.encode({"name": found.name, **msgspec.to_builtins(found.letter)}))


def resending_document(each: Resending, *, sent: bool) -> str:
    """One line of JSON: what becomes of a letter."""
    return json_line(msgspec.json.encode({**_place(each.found), "sent": sent, "refusal": each.refusal}))


def letters_table(letters: Sequence[FoundLetter]) -> Table:
    """A row for each letter."""
    table = Table("letter", "written (UTC)", "record", "processor", "reason", "bytes", "key", "message")
    for found in letters:
        letter = found.letter
        bytes_ = f"{letter.raw_size:,}" + ("" if letter.is_whole else " (cut)")
        cells = [found.name, _time(letter.failed_at), _where(found), letter.processor, letter.reason, bytes_]
        table.add_row(*map(_text, [*cells, printable(letter.key)[:40], letter.message[:SHOWN]]))
    return table


def resendings_table(plan: Sequence[Resending], *, sent: bool) -> Table:
    """A row for each letter: where its record goes, or why it does not."""
    table = Table("letter", "record", "reason", "sent" if sent else "would be sent", "because")
    for each in plan:
        goes = "yes" if each.refusal is None else "no"
        cells = [each.found.name, _where(each.found), each.found.letter.reason, goes, each.refusal or ""]
        table.add_row(*map(_text, cells))
    return table


def letter_lines(found: FoundLetter) -> Iterator[str]:
    """A line for each fact about a letter."""
    letter = found.letter
    yield f"letter     {found.name}, written {_time(letter.failed_at)} UTC by {printable(letter.processor.encode())}"
    yield f"record     {printable(_where(found).encode())}, of {_time(letter.record_timestamp)} UTC"
    yield f"reason     {printable(letter.reason.encode())}: {printable(letter.message.encode())}"
    yield f"key        {_bytes(letter.key, letter.key_size)}"
    for header in letter.headers:
        yield f"header     {printable(header.name.encode())}: {_bytes(header.value, len(header.value or b''))}"
    yield f"value      {_bytes(letter.raw, letter.raw_size)}"
    if not letter.is_whole:
        yield "           cut; the whole lies where the record is, as long as Kafka keeps it"


def _place(found: FoundLetter) -> dict[str, Any]:
    letter = found.letter
    return {
        "name": found.name,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
    }


def _where(found: FoundLetter) -> str:
    letter = found.letter
    return f"{letter.topic}[{letter.partition}]@{letter.offset}"


def _time(timestamp: int) -> str:
    try:
        return utc_text(timestamp, "seconds")
    except (OverflowError, ValueError, OSError):
        return f"{timestamp} ms"


def _bytes(data: bytes | None, size: int) -> str:
    return "none" if data is None else f"({size:,} bytes) {printable(data)}"


def _text(cell: str) -> Text:
    """Not markup, and without control characters."""
    return Text(printable(cell.encode()))
