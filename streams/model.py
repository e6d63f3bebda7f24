"""What the stream worker needs of the model in service: its router and a few sizes. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from mos_online.errors import ModelError
from mos_online.themes import Router
from mos_online.themes.artefact import load_router as read_router
from mos_online.users.ring_sizes import RingSizes


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a version folder's ``config.json`` that the worker reads; half-life in ms of event time."""

    recent: Annotated[int, msgspec.Meta(ge=1)]
    theme_ring: Annotated[int, msgspec.Meta(ge=1)]
    half_life_ms: Annotated[float, msgspec.Meta(gt=0)]

    @property
    def sizes(self) -> RingSizes:
        """Of the rings of profiles."""
        return RingSizes(recent=self.recent, theme=self.theme_ring)


def load_config(folder: Path) -> ModelConfig:
    """Read ``config.json``.

    Raises:
        ModelError: it is missing or damaged, or lacks a size.
    """
    try:
        return msgspec.json.decode((folder / "config.json").read_bytes(), type=ModelConfig)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"cannot read {folder / 'config.json'}: {error}; train again with `mos train`") from None


def load_router(folder: Path) -> tuple[Router, RingSizes]:
    """The router of a version folder and the ring sizes of its model.

    Raises:
        ModelError: a file is missing or damaged.
    """
    return read_router(folder), load_config(folder).sizes
