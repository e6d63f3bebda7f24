"""Click logs: ``load`` reads whatever ``--dataset`` can name; ``load_file`` reads the files of a public format."""

from simulator.dataset import Dataset
from simulator.datasets.formats import FORMATS, load_file
from simulator.datasets.loader import SYNTHETIC, available, load, require_clock

__all__ = ["FORMATS", "SYNTHETIC", "Dataset", "available", "load", "load_file", "require_clock"]
