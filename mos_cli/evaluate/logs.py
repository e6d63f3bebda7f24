"""How the processes of an evaluation read the logs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from simulator.datasets import ReadOptions, load


class Logs(NamedTuple):
    """What all logs of an evaluation have in common.

    Attributes:
        data_dir: the folder of datasets.
        format_name: of the files; None: datasets are folders, or files that are recognised.
        options: what the user says about the files.
        sessions: the rules by which they are cut.
    """

    data_dir: Path | None
    format_name: str | None
    options: ReadOptions
    sessions: SessionConfig

    def read(self, dataset: str) -> tuple[Dataset, SessionConfig]:
        """A log, and the rules by which it is cut into sessions.

        Raises:
            DatasetError: as ``simulator.datasets.load``.
        """
        log = load(
            dataset,
            self.data_dir,
            format_name=self.format_name,
            event_types=self.sessions.event_types,
            options=self.options,
        )
        return log, log.session_rules(self.sessions)
