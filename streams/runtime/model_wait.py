"""Waiting for the first model: `mos train` may come later than the worker."""

from __future__ import annotations

import asyncio
import logging

from mos_online.errors import ModelError
from mos_online.registry import RegistryFollower, open_registry
from mos_online.settings import Settings

LOOK_EVERY = 1.0
"""Seconds between looks for the first model."""

log = logging.getLogger(__name__)


class ModelWait:
    """Waits until a model is in service.

    Attributes:
        trouble: why there is none; None if there is one, or if nobody waits for one.
    """

    def __init__(self, settings: Settings) -> None:
        self.trouble: str | None = None
        self._settings = settings

    async def ready(self) -> None:
        """Return once a model is in service whose files, or those of the one before, are whole.

        Raises:
            SettingsError: MOS_MODELS is wrong.
        """
        registry = open_registry(self._settings)
        while True:
            try:
                await asyncio.to_thread(RegistryFollower, registry, lambda folder: folder)
            except ModelError as error:
                if str(error) != self.trouble:
                    log.warning("waiting for a model: %s", error)
                self.trouble = str(error)
                await asyncio.sleep(LOOK_EVERY)
            else:
                self.trouble = None
                return
