"""The sizes of a model that are read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from mos_online.errors import ModelError
from mos_online.users.ring_sizes import RingSizes

FILE = "config.json"


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a model's ``config.json`` that is read without torch.

    Attributes:
        format: of the checkpoint, see ``mos_online.model.checkpoint``.
        version, router_version: of the model and of its router.
        recent, theme_ring: events in the rings that the model was trained on.
        half_life_ms, co_click_half_life_ms: of item popularity and of co-clicks, in ms of event time.
    """

    format: int
    version: str
    router_version: str
    recent: Annotated[int, msgspec.Meta(ge=1)]
    theme_ring: Annotated[int, msgspec.Meta(ge=1)]
    half_life_ms: Annotated[float, msgspec.Meta(gt=0)]
    co_click_half_life_ms: Annotated[float, msgspec.Meta(gt=0)]

    @property
    def sizes(self) -> RingSizes:
        """How many events of a user, and of each theme, the model reads."""
        return RingSizes(recent=self.recent, theme=self.theme_ring)


def load_config(folder: Path) -> ModelConfig:
    """Read what a worker needs of a model's ``config.json``.

    Raises:
        ModelError: it is missing or damaged, or lacks a key or a size.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=ModelConfig)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"cannot read {folder / FILE}: {error}; train again with `mos train`") from None
