"""Click logs by name (``load``) or by file and format (``load_file``)."""

from simulator.dataset import Dataset
from simulator.datasets.catalogue import SYNTHETIC, available, load, require_clock
from simulator.datasets.formats import FORMATS, load_file

__all__ = ["FORMATS", "SYNTHETIC", "Dataset", "available", "load", "load_file", "require_clock"]
