"""Size and shape of a MoS model."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.errors import ModelError
from mos_online.profile import RingSizes


@dataclass(frozen=True, kw_only=True)
class MosConfig:
    """What a checkpoint must know to be built again.

    Attributes:
        backbone: name of the encoder, see `mos_online.model.backbones`.
        dimensions: d, width of item rows and of every encoder.
        themes: K of the router that the model was trained with.
        recent, theme: most events that the global expert and a theme's expert read; those of the profile's rings.
        short: most events that the short-term expert reads.
        dropout: inside the encoders, during training.
        unknown: during training, the share of items whose own row is hidden, so that what is left of an item that the
            model has never seen (its category, its theme, how alive it is) learns to stand alone.

    Raises:
        ModelError: a size is not positive, or a probability not in [0, 1).
    """

    backbone: str = "gru4rec"
    dimensions: int = 64
    themes: int = 12
    recent: int = RingSizes().recent
    theme: int = RingSizes().theme
    short: int = 10
    dropout: float = 0.1
    unknown: float = 0.3

    def __post_init__(self) -> None:
        for name in ("dimensions", "themes", "recent", "theme", "short"):
            if getattr(self, name) < 1:
                raise ModelError(f"model config: {name}={getattr(self, name)}, must be at least 1")
        if self.dimensions % 2:
            raise ModelError(f"model config: dimensions={self.dimensions}, must be even (two attention heads)")
        for name in ("dropout", "unknown"):
            if not 0 <= getattr(self, name) < 1:
                raise ModelError(f"model config: {name}={getattr(self, name)}, must be in [0, 1)")

    @property
    def rings(self) -> RingSizes:
        """The ring sizes of the profiles that it reads."""
        return RingSizes(recent=self.recent, theme=self.theme)
