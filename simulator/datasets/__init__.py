"""Click logs: ``load`` reads whatever ``--dataset`` can name; ``load_file`` reads the files of a public format."""

from simulator.dataset import Dataset
from simulator.datasets.formats import FORMATS, UNREADABLE
from simulator.datasets.loader import SYNTHETIC, available, load
from simulator.datasets.raw import ReadOptions
from simulator.datasets.reading import load_file

__all__ = ["FORMATS", "SYNTHETIC", "UNREADABLE", "Dataset", "ReadOptions", "available", "load", "load_file"]
