"""Files of the learner that are replaced in one step: whoever reads one sees all of the old or all of the new."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

import msgspec

from mos_online.errors import StoreError
from mos_online.learning.canonical import canonical

State = TypeVar("State", bound=msgspec.Struct)

log = logging.getLogger(__name__)


def replace_file(path: Path, content: bytes) -> None:
    """Replace what was there, or begin the file.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(path)


def read_state(path: Path, kind: type[State]) -> State:
    """What a part of the learner has left; a state of its defaults if there is none, or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except (msgspec.DecodeError, OSError) as error:
        log.warning("%s cannot be read, so all of the learner's log is taken again: %s", path, error)
        return kind()


def write_state(path: Path, state: msgspec.Struct) -> None:
    """Leave the state of a part of the learner.

    Raises:
        StoreError: it cannot be written; what was there stays.
    """
    try:
        replace_file(path, canonical(state))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}; free some space there") from None
