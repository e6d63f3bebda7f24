"""Datasets by name: the sub-folders of one folder, and the synthetic population."""

from __future__ import annotations

from pathlib import Path

from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.datasets.columnar import EVENTS, folder_has_clock, read_folder
from simulator.population import SyntheticConfig, synthesize

SYNTHETIC = "synthetic"


def load(name: str, data_dir: Path | None, *, since: int | None = None, until: int | None = None) -> Dataset:
    """The dataset ``name``: a sub-folder of ``data_dir``, or ``synthetic``, which needs no folder.

    Args:
        name: as in ``available``.
        data_dir: the folder of datasets (``Settings.data_dir``).
        since: leave out older events (ms since epoch).
        until: leave out events from then on (ms since epoch).

    Raises:
        DatasetError: no folder, no such dataset in it, or its files are damaged.
    """
    if name == SYNTHETIC:
        return synthesize(SyntheticConfig()).between(since, until)
    if data_dir is None:
        raise DatasetError(f"no folder to find dataset {name!r} in: set MOS_DATA_DIR, or use the dataset `{SYNTHETIC}`")
    if name not in available(data_dir):
        raise DatasetError(f"unknown dataset {name!r}; in {data_dir} there are {_listed(available(data_dir))}")
    return read_folder(data_dir / name, since=since, until=until)


def available(data_dir: Path) -> list[str]:
    """Names of the datasets in a folder.

    Raises:
        DatasetError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise DatasetError(f"{data_dir} is not a folder: set MOS_DATA_DIR, or use the dataset `{SYNTHETIC}`")
    return sorted(path.parent.name for path in data_dir.glob(f"*/{EVENTS}"))


def require_clock(dataset: Dataset, data_dir: Path | None) -> None:
    """Refuse a dataset whose events have no time of day: no session can be told from the next.

    Raises:
        DatasetError: it has none; names the datasets of ``data_dir`` that qualify.
    """
    if dataset.has_clock:
        return
    names = available(data_dir) if data_dir is not None and data_dir.is_dir() else []
    fit = [name for name in names if data_dir is not None and folder_has_clock(data_dir / name)]
    raise DatasetError(
        f"{dataset.name} cannot be replayed: its times are whole days, so the order inside a day is unknown and its "
        f"sessions cannot be told apart. Datasets with a clock: {_listed(fit)}"
    )


def _listed(names: list[str]) -> str:
    return ", ".join([*names, SYNTHETIC])
