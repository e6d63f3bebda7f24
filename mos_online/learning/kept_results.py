"""Results of experiments in a folder: one file for each version of an experiment."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mos_online.errors import DatasetError
from mos_online.experiments.result import ExperimentResult
from mos_online.learning.canonical import canonical
from mos_online.learning.whole_file import replace_file

FOLDER = "experiments"
"""In the folder of the learner."""

MOST_KEPT = 200
"""Results that stay, the newest."""


def write_result(folder: Path, result: ExperimentResult) -> None:
    """Replace what was there of this version of the experiment.

    Args:
        folder: of the learner.
        result: what is known now.

    Raises:
        OSError: it cannot be written.
    """
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{result.plan.name}.{result.plan.version}.json"
    replace_file(path, canonical(result))


def read_results(folder: Path) -> list[ExperimentResult]:
    """All results that the learner of a folder has left, by name and version; none if there are none.

    Raises:
        DatasetError: a file is damaged.
    """
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=ExperimentResult))
        except FileNotFoundError:
            continue  # it was removed meanwhile
        except (OSError, msgspec.DecodeError) as error:
            raise DatasetError(f"{path} cannot be read: {error}; remove it, and `mos learn` writes it again") from error
    return sorted(found, key=lambda one: (one.plan.name, one.plan.version))


def forget_old_results(folder: Path) -> None:
    """Remove the results that were written longest ago, if there are too many.

    Raises:
        OSError: one cannot be removed.
    """
    written: list[tuple[int, Path]] = []
    for path in (folder / FOLDER).glob("*.json"):
        try:
            written.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:
            continue  # somebody else has removed it
    for _, path in sorted(written)[:-MOST_KEPT]:
        path.unlink(missing_ok=True)
