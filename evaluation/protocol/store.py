"""Results on disk: one folder per cell, so that a run that was interrupted goes on where it stopped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evaluation.protocol.run import Scores

SCORES, RECORD, FACTS, MAP = "scores.npz", "record.json", "facts.npz", "map.npz"


def folder_name(dataset: str) -> str:
    """The folder in which results of a dataset lie; a dataset that is given by its path has no folder of its name.

    >>> folder_name("globo_news"), folder_name("/logs/mine"), folder_name("../mine")
    ('globo_news', 'logs_mine', 'mine')
    """
    return dataset.strip("./").replace("/", "_")


class Key(msgspec.Struct, frozen=True, order=True):
    """Which cell."""

    dataset: str
    backbone: str
    contestant: str
    seed: int

    @property
    def path(self) -> Path:
        """Its folder inside the store."""
        return Path(folder_name(self.dataset), self.backbone, self.contestant, str(self.seed))


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for a cell.

    Attributes:
        protocol: digest of the data, the protocol and the budget; a cell of another protocol is fitted anew.
        commit, versions: of the code, and of the packages that matter.
        validation: None for contestants that are not fitted;
        rate, passes, seconds, seconds_scoring, parameters: see ``Cell``.
    """

    key: Key
    protocol: str
    commit: str
    versions: dict[str, str]
    validation: float | None
    rate: float
    passes: int
    seconds: float
    seconds_scoring: float
    parameters: int


@dataclass(frozen=True)
class Store:
    """A folder of results."""

    root: Path

    def record(self, key: Key, protocol: str) -> Record | None:
        """What was done for the cell under this protocol, None if nothing."""
        file = self.root / key.path / RECORD
        if not file.exists():
            return None
        record = msgspec.json.decode(file.read_bytes(), type=Record)
        return record if record.protocol == protocol else None

    def write(self, record: Record, scores: Scores) -> None:
        """Scores first, so that a record means a whole cell."""
        folder = self.root / record.key.path
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / SCORES, logits=scores.logits, themed=scores.themed, ranks=scores.ranks)
        (folder / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record)))

    def scores(self, key: Key) -> Scores:
        """What a cell scored."""
        with np.load(self.root / key.path / SCORES) as read:
            return Scores(logits=read["logits"], themed=read["themed"], ranks=read["ranks"])

    def write_facts(self, dataset: str, about: dict[str, Any], columns: dict[str, NDArray[np.generic]]) -> None:
        """What is true of a dataset's test positions, and of the dataset."""
        folder = self.root / folder_name(dataset)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / FACTS, **columns)  # type: ignore[arg-type]
        (folder / "about.json").write_bytes(msgspec.json.format(msgspec.json.encode(about)))

    def facts(self, dataset: str) -> dict[str, NDArray[np.generic]]:
        """Columns of ``write_facts``."""
        with np.load(self.root / folder_name(dataset) / FACTS) as read:
            return dict(read)

    def write_map(self, dataset: str, columns: dict[str, NDArray[np.generic]]) -> None:
        """Where items and themes of a dataset lie, see ``theme_map``."""
        np.savez_compressed(self.root / folder_name(dataset) / MAP, **columns)  # type: ignore[arg-type]

    def map(self, dataset: str) -> dict[str, NDArray[np.generic]] | None:
        """Columns of ``write_map``; None where there are none."""
        file = self.root / folder_name(dataset) / MAP
        if not file.exists():
            return None
        with np.load(file) as read:
            return dict(read)

    def describes(self, dataset: str, revision: int) -> bool:
        """Whether there are facts of this revision."""
        return (self.root / folder_name(dataset) / "about.json").exists() and self.about(dataset).get(
            "revision"
        ) == revision

    def about(self, dataset: str) -> dict[str, Any]:
        """What ``write_facts`` was told of the dataset."""
        document: dict[str, Any] = msgspec.json.decode((self.root / folder_name(dataset) / "about.json").read_bytes())
        return document

    def records(self) -> list[Record]:
        """All cells, by key."""
        found = [msgspec.json.decode(file.read_bytes(), type=Record) for file in self.root.rglob(RECORD)]
        return sorted(found, key=lambda record: record.key)


def digest(*parts: object) -> str:
    """Short hash of anything that prints the same again.

    >>> digest("a", 1) == digest("a", 1), digest("a") == digest("b")
    (True, False)
    """
    return hashlib.blake2s(repr(parts).encode()).hexdigest()[:12]
