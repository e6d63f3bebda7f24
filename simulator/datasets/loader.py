"""From what ``--dataset`` says to a ``Dataset``: every verb of ``mos`` gets its log here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mos_online.contracts import DEFAULT_EVENT_TYPES
from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.datasets.folder import EVENTS, read_folder
from simulator.datasets.formats import FORMATS
from simulator.datasets.opening import head
from simulator.datasets.raw import ReadOptions
from simulator.datasets.reading import load_file
from simulator.datasets.recognise import looks_like, recognise
from simulator.datasets.times import require_zone
from simulator.population import SyntheticConfig, synthesize

SYNTHETIC = "synthetic"


def load(
    dataset: str,
    data_dir: Path | None,
    *,
    format_name: str | None = None,
    event_types: str = DEFAULT_EVENT_TYPES,
    options: ReadOptions | None = None,
) -> Dataset:
    """Read the log that ``dataset`` names.

    Args:
        dataset: one of
            ``synthetic``, a population with known themes, which needs no files;
            ``synthetic:hop=0.8,noise=0.3``, the same with other values of ``SyntheticConfig``;
            the name of a folder in ``data_dir``, such as ``globo_news``;
            the path of such a folder, which is told from a name by a slash: ``./mine`` or ``/logs/mine``;
            the path of a file of a public format, which is recognised by its content.
            With ``format_name`` it is the path of a file, or of a folder of files, of that format.
        data_dir: the folder of datasets (``Settings.data_dir``).
        format_name: one of ``FORMATS``: the file is read as its publisher distributes it.
        event_types: the table of what the types of events mean (``Settings.event_types``).
        options: what the user says about the files.

    Raises:
        DatasetError: there is no such dataset, setting of the population or format, or the files are damaged.
    """
    options = options or ReadOptions()
    if options.zone is not None:
        require_zone(options.zone)
    return replace(_read(dataset, data_dir, format_name, options), event_types=event_types)


def synthetic_config(dataset: str) -> SyntheticConfig | None:
    """The settings of the synthetic population that ``dataset`` names; None if it names something else.

    Raises:
        DatasetError: a setting is unknown or out of range.
    """
    kind, colon, settings = dataset.partition(":")
    if kind != SYNTHETIC:
        return None
    return SyntheticConfig.parse(settings) if colon else SyntheticConfig()


def _read(dataset: str, data_dir: Path | None, format_name: str | None, options: ReadOptions) -> Dataset:
    path = Path(dataset).expanduser()
    if format_name is not None:
        return load_file(format_name, path, options)
    synthetic = synthetic_config(dataset)
    if synthetic is not None:
        return synthesize(synthetic)
    if data_dir is not None and "/" not in dataset and (data_dir / dataset / EVENTS).is_file():
        return read_folder(data_dir / dataset, options)
    if path.is_file():
        return _recognised(path, options)
    if "/" in dataset:
        return read_folder(path.resolve(), options)  # resolved, so that the folder has a name
    if data_dir is None or not data_dir.is_dir():
        raise DatasetError(f"no folder to find dataset {dataset!r} in: set MOS_DATA_DIR, {_OTHERWISE}")
    raise DatasetError(
        f"unknown dataset {dataset!r}; in {data_dir} there are {_listed(available(data_dir))}. A path needs a slash: "
        "./mine"
    )


def _recognised(path: Path, options: ReadOptions) -> Dataset:
    """Read a file of which nobody has said the format.

    Raises:
        DatasetError: it looks like no format, or like several.
    """
    if path.name == EVENTS:
        return read_folder(path.resolve().parent, options)
    found = recognise(path, FORMATS)
    names = list(dict.fromkeys(one.format.name for one in found))
    if not found:
        raise DatasetError(
            f"{path} looks like no public format: {looks_like(head(path), FORMATS)}. `mos import {path}` makes a "
            f"dataset of any table; or name the format, --format is one of {', '.join(FORMATS)}"
        )
    if len(names) > 1:
        listed = " or ".join(f"{one.layout.title} (--format {one.format.name})" for one in found)
        raise DatasetError(f"{path} may be {listed}: say which")
    dataset = load_file(names[0], path, options)
    if dataset.report is not None:
        dataset.report.assumed.insert(0, f"{path.name} is read as {found[0].layout.title} (--format {names[0]})")
    return dataset


def available(data_dir: Path) -> list[str]:
    """Names of the datasets in a folder.

    Raises:
        DatasetError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise DatasetError(f"{data_dir} is not a folder: set MOS_DATA_DIR, {_OTHERWISE}")
    return sorted(path.parent.name for path in data_dir.glob(f"*/{EVENTS}"))


_OTHERWISE = (
    f"give the path of a dataset folder (./mine), or use the dataset `{SYNTHETIC}`; `mos import events.csv` makes one"
)


def _listed(names: list[str]) -> str:
    return ", ".join([*names, SYNTHETIC])
