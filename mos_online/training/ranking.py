"""Where a model ranks the targets of examples among the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mos_online.model.co_clicks import evidence_of
from mos_online.model.expectation import Expectations
from mos_online.model.mixing import Calibration, Mixing
from mos_online.model.popularity import PopularNow
from mos_online.model.sequence_model import SequenceModel
from mos_online.training.examples import ExampleLog, Examples

TOGETHER = 256
"""At most about so many users are encoded at once."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Where the targets of B examples stand among all items known at their moment.

    Attributes:
        rank: int64 (B,), 1 is best, ties half; 0 for a target that nobody had clicked before.
        auc: float32 (B,), the chance that the target beats another item drawn by popularity, ties half, both without
            what the popularity itself adds; nan where ``rank`` is 0.
    """

    rank: Tensor
    auc: Tensor

    @property
    def gains(self) -> Tensor:
        """NDCG@10 of each, float32 (B,)."""
        listed = (self.rank >= 1) & (self.rank <= 10)
        return torch.where(listed, 1 / torch.log2(self.rank + 1.0), 0.0)


class CatalogueRanking:
    """Scores the whole catalogue, items of one theme side by side.

    Attributes:
        everything: int64 (items,), the item row of each column; slot: int64 (items + 1,), the column of each item row.
    """

    def __init__(
        self, model: SequenceModel, expectations: Expectations | None = None, mixing: Mixing | None = None
    ) -> None:
        """Rank with a model; its themes must not change meanwhile.

        Args:
            model: that ranks.
            expectations: of this model, on earlier examples; None: there were none.
            mixing: what is mixed in; None: the model's for now.
        """
        self._model, self._mixing = model, mixing if mixing is not None else model.mixing
        theme = model.item_theme[1:]
        self.everything = torch.argsort(theme, stable=True) + 1
        self.slot = torch.full((len(theme) + 1,), -1, device=model.device)
        self.slot[self.everything] = torch.arange(len(theme), device=model.device)
        self._expectations = expectations or Expectations(len(self.slot), model.device)

    def scores(self, data: Examples) -> tuple[Tensor, Tensor]:
        """Score all items for the users of some examples, as the service does, with neighbours and popularity mixed in.

        Examples without neighbours are scored by the model alone. The others must come in order of time, each once: the
        expectation of the model is learned from them.

        Args:
            data: on the model's device.

        Returns:
            Scores float32 (B, items), in columns by ``slot``; of which items nobody knew then, bool (B, items).
        """
        scores, unknown = self.model_scores(data)
        if data.neighbours is None or not self._mixing.learned:
            return scores, unknown
        places, popular = self.places(data), self.popular(data)
        evidence = evidence_of(data.batch, places, data.neighbours, data.moment)
        self.calibrate(self._mixing.calibration, data, popular, scores, unknown)
        mixed, _ = self._mixing.mix(scores, data.batch, evidence, popular, data.sizes, self.slot, unknown)
        return self._mixing.ordered(mixed, data.batch, self.slot), unknown

    def popular(self, data: Examples) -> list[PopularNow]:
        """What popularity says at each moment."""
        return [PopularNow(one, self.slot) for one in data.popular]

    def places(self, data: Examples) -> Tensor:
        """The ``Place`` of each user, int64 (B,)."""
        return self._mixing.places(data.batch)

    def model_scores(self, data: Examples) -> tuple[Tensor, Tensor]:
        """The same of the model alone."""
        model = self._model
        nothing = [torch.zeros(len(self.everything), device=model.device)] * len(data.sizes)
        users = model.encode(data.batch)
        scores = model.score_moments(users, self.everything, data.popular, data.sizes, nothing)
        return model.add_repeats(scores, data.batch, self.slot), self.everything > self._seen(data).unsqueeze(1)

    def calibrate(
        self, how: Calibration, data: Examples, popular: Sequence[PopularNow], scores: Tensor, unknown: Tensor
    ) -> None:
        """Calibrate what ``model_scores`` gave, in place; see ``Expectations``."""
        how.sharpen(scores)
        if not how.corrected:
            return
        asked, places = (data.batch.items > 0).any(1), self.places(data)
        self._expectations.correct(how.corrected, scores, popular, data.sizes, self.everything, asked, places, unknown)

    def rank(self, data: Examples, scores: Tensor, unknown: Tensor, log_share: Tensor) -> Ranked:
        """Rank the targets.

        Args:
            data: the examples.
            scores: from ``scores``, as is ``unknown``.
            log_share: float32 (items + 1,), log of each item's share of the clicks: the popularity of ``Ranked``.
        """
        fair = (data.targets > 0) & (data.targets <= self._seen(data))
        column = self.slot[data.targets.clamp(min=1)].unsqueeze(1)
        own = scores.gather(1, column)
        rank = 1 + ((scores > own) & ~unknown).sum(1) + (((scores == own) & ~unknown).sum(1) - 1) // 2
        log_share = log_share[self.everything]
        share = log_share.exp().expand_as(scores).masked_fill(unknown, 0.0).scatter(1, column, 0.0)
        lift = scores - log_share
        mine = lift.gather(1, column)
        auc = ((lift < mine) * share).sum(1) + 0.5 * ((lift == mine) * share).sum(1)
        return Ranked(rank=rank * fair, auc=(auc / share.sum(1)).masked_fill(~fair, torch.nan))

    def _seen(self, data: Examples) -> Tensor:
        """The newest row that is known at each example's moment, int64 (B,)."""
        sizes = torch.tensor(data.sizes, device=self.slot.device)
        return torch.tensor(data.seen, device=self.slot.device).repeat_interleave(sizes)


def in_chunks(log: ExampleLog, together: int = TOGETHER) -> Iterator[Examples]:
    """The examples of a log in order of time, about so many at once."""
    chosen: list[int] = []
    size = 0
    for number, moment in enumerate(log.moments):
        chosen.append(number)
        size += len(moment.positions)
        if size >= together:
            yield log.of(chosen)
            chosen, size = [], 0
    if chosen:
        yield log.of(chosen)
