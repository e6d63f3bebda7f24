"""Backbones that read the candidate: they score pairs and cannot rank a catalogue. Importing this registers them."""

from evaluation.backbones.din import DIN
from evaluation.backbones.sdim import SDIM
from evaluation.backbones.twin import TWIN

__all__ = ["DIN", "SDIM", "TWIN"]
