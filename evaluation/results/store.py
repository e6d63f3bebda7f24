"""Results on disk: one folder per run, so that a run that was interrupted goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evaluation.protocol.scores import Run, Scores
from evaluation.results.provenance import commit, package_versions

SCORES, RECORD, FACTS, MAP = "scores.npz", "record.json", "facts.npz", "map.npz"


def folder_name(dataset: str) -> str:
    """The folder in which results of a dataset lie; a dataset that is given by its path has no folder of its name.

    >>> folder_name("globo_news"), folder_name("/logs/mine"), folder_name("../mine")
    ('globo_news', 'logs_mine', 'mine')
    """
    return dataset.strip("./").replace("/", "_")


class RunKey(msgspec.Struct, frozen=True, order=True):
    """Names a run: a dataset, a backbone, a candidate model and a seed."""

    dataset: str
    backbone: str
    model: str
    seed: int

    @property
    def path(self) -> Path:
        """The folder of the run inside the store."""
        return Path(folder_name(self.dataset), self.backbone, self.model, str(self.seed))


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a run was made and what it cost.

    Attributes:
        protocol: digest of the data, the protocol and the budget; a run of another protocol is fitted anew.
        commit, versions: of the code, and of the packages that matter.
        validation, rate, alike, passes, seconds, seconds_scoring, parameters: see ``Run``.
    """

    key: RunKey
    protocol: str
    commit: str
    versions: dict[str, str]
    validation: float | None
    rate: float
    alike: bool
    passes: int
    seconds: float
    seconds_scoring: float
    parameters: int


@dataclass(frozen=True)
class Store:
    """A folder that holds the results of runs."""

    root: Path

    def record(self, key: RunKey, protocol: str) -> RunRecord | None:
        """The record of the run under this protocol, or None if there is none."""
        file = self.root / key.path / RECORD
        if not file.exists():
            return None
        record = msgspec.json.decode(file.read_bytes(), type=RunRecord)
        return record if record.protocol == protocol else None

    def write_run(self, key: RunKey, protocol: str, run: Run) -> RunRecord:
        """Store a run: scores first, so that a record means a whole run.

        Args:
            key: which run it is.
            protocol: digest of what must be equal for two runs to be comparable.
            run: what came out.
        """
        record = RunRecord(
            key=key,
            protocol=protocol,
            commit=commit(),
            versions=package_versions(),
            validation=run.validation,
            rate=run.rate,
            alike=run.alike,
            passes=run.passes,
            seconds=round(run.seconds, 2),
            seconds_scoring=round(run.seconds_scoring, 3),
            parameters=run.parameters,
        )
        folder = self.root / key.path
        folder.mkdir(parents=True, exist_ok=True)
        scores = run.scores
        np.savez_compressed(folder / SCORES, logits=scores.logits, themed=scores.themed, ranks=scores.ranks)
        (folder / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        return record

    def scores(self, key: RunKey) -> Scores:
        """The scores that a run gave."""
        with np.load(self.root / key.path / SCORES) as read:
            return Scores(logits=read["logits"], themed=read["themed"], ranks=read["ranks"])

    def write_facts(self, dataset: str, about: dict[str, Any], columns: dict[str, NDArray[np.generic]]) -> None:
        """Write facts about a dataset and about its test positions.

        Args:
            dataset: its name.
            about: facts; "protocols" are those of its runs. Runs of others are no longer read.
            columns: one value for each test position.
        """
        folder = self.root / folder_name(dataset)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / FACTS, **columns)  # type: ignore[arg-type]
        (folder / "about.json").write_bytes(msgspec.json.format(msgspec.json.encode(about)))

    def facts(self, dataset: str) -> dict[str, NDArray[np.generic]]:
        """Read the columns that ``write_facts`` was given."""
        with np.load(self.root / folder_name(dataset) / FACTS) as read:
            return dict(read)

    def write_map(self, dataset: str, columns: dict[str, NDArray[np.generic]]) -> None:
        """Write where the items and themes of a dataset lie, see ``theme_map``."""
        np.savez_compressed(self.root / folder_name(dataset) / MAP, **columns)  # type: ignore[arg-type]

    def map(self, dataset: str) -> dict[str, NDArray[np.generic]] | None:
        """Columns of ``write_map``; None where there are none."""
        file = self.root / folder_name(dataset) / MAP
        if not file.exists():
            return None
        with np.load(file) as read:
            return dict(read)

    def describes(self, dataset: str, protocols: list[str]) -> bool:
        """Whether there are facts that were written for these protocols."""
        return self._has_facts(dataset) and self.about(dataset).get("protocols") == protocols

    def about(self, dataset: str) -> dict[str, Any]:
        """The facts about the dataset that ``write_facts`` wrote."""
        document: dict[str, Any] = msgspec.json.decode((self.root / folder_name(dataset) / "about.json").read_bytes())
        return document

    def records(self) -> list[RunRecord]:
        """The records of all runs, ordered by key, but for those of other protocols than the facts about their log."""
        found = [msgspec.json.decode(file.read_bytes(), type=RunRecord) for file in self.root.rglob(RECORD)]
        logs = {one.key.dataset for one in found}
        current = {log: self.about(log).get("protocols") for log in logs if self._has_facts(log)}
        kept = [one for one in found if one.protocol in (current.get(one.key.dataset) or [one.protocol])]
        return sorted(kept, key=lambda record: record.key)

    def _has_facts(self, dataset: str) -> bool:
        return (self.root / folder_name(dataset) / "about.json").exists()
