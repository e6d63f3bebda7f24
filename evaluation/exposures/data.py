"""A log with impressions made ready: the fit ends where the first list was shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import torch

from evaluation.exposures.lists import exposures
from evaluation.protocol.data import ExperimentConfig, ExperimentData
from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig
from mos_online.training.catalogue import Catalogue


class ExposureData(ExperimentData):
    """An experiment whose fit ends where the first list was shown, with rows for all items that were ever in view.

    Items that were only shown need rows like those that are clicked later: a row would give the click away.

    Attributes:
        shown: the lists; position: int64 (lists,), of each list's first click in the log.
    """

    def __init__(
        self, events: pl.DataFrame, items: pl.DataFrame, *, sessions: SessionConfig, config: ExperimentConfig, name: str
    ) -> None:
        """Make an experiment of events that hold impressions.

        Args:
            events: as for ``ExperimentData``, and impressions.
            items: as for ``ExperimentData``.
            sessions: how sessions are cut.
            config: the protocol; its cuts are shares of the clicks before the first list.
            name: of the dataset.

        Raises:
            DatasetError: no lists, or too few clicks before the first one.
            ModelError: no themes can be learned from them.
        """
        self.shown = exposures(events, sessions.types)
        actions = sessions.types.of_kind(events["event_type"].unique(), "action")
        clicks, begin = events.filter(pl.col("event_type").is_in(actions)), self.shown[0].time
        history = int((clicks["timestamp"] < begin).sum()) - 0.5
        share, cuts = history / (len(clicks) - 1), config.split
        if share <= 0:
            raise DatasetError("no click comes before the first list that was shown: nothing to learn from")
        inside = replace(cuts, router=cuts.router * share, train=cuts.train * share, validation=share)
        super().__init__(clicks, items, sessions=sessions, config=replace(config, split=inside), name=name)
        if self.split.borders[2] != begin:
            raise DatasetError(f"validation ends at {self.split.borders[2]} ms, not at the first list's {begin} ms")
        row = {event: number for number, event in enumerate(self.log.events["event_id"].to_list())}
        self.position = np.array([row[one.click] for one in self.shown], np.int64)
        self._add_rows_of_items_in_view()

    def _add_rows_of_items_in_view(self) -> None:
        """Append rows, not trained, for items that nobody clicked."""
        own = set(self.catalogue.items)
        more = [item for item in dict.fromkeys(item for one in self.shown for item in one.items) if item not in own]
        self.catalogue = Catalogue.of([*self.catalogue.items, *more], self.log.categories, self.vectors)
        self.known = torch.cat([self.known, torch.zeros(len(more))])
