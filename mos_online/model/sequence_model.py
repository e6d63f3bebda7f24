"""What all sequence models share: item rows, real-time features, repeats and scoring. Their user vectors differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody uses

from mos_online.errors import ModelError
from mos_online.model.backbone import spread
from mos_online.model.batch import Batch
from mos_online.model.config import AGE_BUCKETS, REALTIME_FEATURES, MoSConfig
from mos_online.model.content import Content, given
from mos_online.model.dropout import Dropout
from mos_online.model.mixing import Mixing, MixingAhead
from mos_online.model.realtime import LOG_SHARE, SHARE_ONE, Realtime, idle_facts, realtime_features
from mos_online.model.repeats import RepeatBias, age_bucket
from mos_online.model.user_vectors import PairVectors, UserVectors


class SequenceModel(nn.Module):
    """score(u, x) = scale <u_x, e_x> + real-time features + repeats: log p(x is next), up to a constant.

    e_x is the sum of the item's own row, its category's and, if ``config`` says so, projections of its routing vector
    and of what the catalogue says: an item that the model has never seen has a row, too.

    Subclasses define ``encode`` (one or K + 1 vectors per user), or, where the vector depends on the candidate,
    ``pair_vectors``.
    """

    target_aware = False
    """Whether user vectors depend on the candidate. Then only pairs can be scored, not a whole catalogue at once."""

    penalty: Tensor | None = None
    """An auxiliary loss of the last ``encode`` or ``pair_vectors`` in training, or None."""

    settled: Tensor | None = None
    """The items' rows, float32 (items + 1, d), where ``settle`` has computed them for a service."""

    def __init__(self, config: MoSConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.item = nn.Embedding(config.items + 1, d, padding_idx=0)
        self.category = nn.Embedding(config.categories + 1, d, padding_idx=0)
        self.age = nn.Embedding(AGE_BUCKETS, d)
        for embedding in (self.item, self.category, self.age):
            nn.init.normal_(embedding.weight, std=0.05)
        with torch.no_grad():
            self.item.weight[0] = 0
            self.category.weight[0] = 0
        self.register_buffer("item_category", torch.zeros(config.items + 1, dtype=torch.int64))
        self.register_buffer("item_theme", torch.zeros(config.items + 1, dtype=torch.int64))
        self.register_buffer("item_known", torch.zeros(config.items + 1))
        self.item_category: Tensor
        self.item_theme: Tensor
        self.item_known: Tensor
        if config.table:
            self.register_buffer("item_table", torch.zeros(config.items + 1, config.table))
            self.item_table: Tensor
            self.table = nn.Linear(config.table, d, bias=False)
        if config.content:
            self.content = Content(config.items, config.content, d)
        self.realtime = nn.Sequential(nn.Linear(REALTIME_FEATURES, 16), nn.GELU(), nn.Linear(16, config.realtime + 1))
        self.realtime_user = nn.Linear(d, config.realtime)
        self.prior = nn.Parameter(torch.tensor([0.5, 0.5]))
        self.scale = nn.Parameter(torch.tensor(math.log(8.0)))
        self.repeat, self.dropout = RepeatBias(), Dropout(0.1)
        self.mixing, self.ahead = Mixing(config.gap_ms), MixingAhead(config.gap_ms)

    def set_catalogue(
        self, category: Tensor, theme: Tensor, known: Tensor, table: Tensor | None = None, content: Tensor | None = None
    ) -> None:
        """Set what is known of each item row, (items + 1,).

        Args:
            category: int64, 1.. or 0 where unknown.
            theme: int64, 1..K or 0 where unrouted.
            known: float32, 1 where the row has been trained; 0 where only the category's row counts.
            table, content: float32 (items + 1, d_r or d_c), zero where there is none; ModelError if one is missing.
        """
        self.item_category.copy_(category)
        self.item_theme.copy_(theme)
        self.item_known.copy_(known)
        if self.config.table:
            self.item_table.copy_(given(table, "table", self.config.table))
        if self.config.content:
            self.content.vectors.copy_(given(content, "content", self.config.content))

    def start_from(self, rows: Tensor) -> None:
        """Give items their first rows: those that occur together start out alike.

        The projection of the routing vectors, which carry the same information more coarsely, starts at zero then.

        Args:
            rows: float32 (items + 1, d), each of length 1 or zero; a zero row leaves the item as it is.
        """
        rows = rows.to(self.device)
        with torch.no_grad():
            if self.config.table:
                self.table.weight.zero_()
            self.item.weight.mul_(rows.norm(dim=1, keepdim=True) == 0)
            self.item.weight.add_(rows)

    @property
    def device(self) -> torch.device:
        """Where its weights are. Whatever it reads must be there, too."""
        return self.item.weight.device

    def shown(self, items: Tensor) -> Tensor:
        """1 for items (...,) whose own row counts, else 0: not trained yet, or hidden in training as if it were so."""
        known = self.item_known[items]
        if self.training and self.config.id_dropout:
            known = known * (torch.rand(items.shape, device=items.device) >= self.config.id_dropout)
        return known

    def item_rows(self, items: Tensor, shown: Tensor | None = None) -> Tensor:
        """The rows e_x (..., d) of items (...,); ``shown``: from the method of this name, if it was called already."""
        return self.summed_rows(items, shown) if self.settled is None else self.settled[items]

    def summed_rows(self, items: Tensor, shown: Tensor | None = None) -> Tensor:
        """The same, from their parts."""
        own = self.item(items) * (self.shown(items) if shown is None else shown).unsqueeze(-1)
        rows: Tensor = own + self.category(self.item_category[items])
        if self.config.table:
            rows += self.table(self.item_table[items])
        if self.config.content:
            rows += self.content(items)
        return rows

    def event_rows(self, items: Tensor, ages: Tensor) -> Tensor:
        """The rows (..., d) that experts read of events: of items (...,) and ages (...,) in seconds."""
        rows: Tensor = self.item_rows(items) + self.age(age_bucket(ages))
        return rows

    def read_events(self, items: Tensor, ages: Tensor, mask: Tensor, more: Tensor | None = None) -> Tensor:
        """Rows (B, T, d) of events, with dropout in training, and zeros where there is no event.

        Only the events are looked up: most histories are much shorter than the longest of a batch.

        Args:
            items: int64 (B, T); ages: float32 (B, T), seconds; mask: bool (B, T), True where there is an event.
            more: float32 (B, d), added to all events of a row.
        """
        at = mask.flatten().nonzero().squeeze(1)
        rows = self.event_rows(items.flatten()[at], ages.flatten()[at])
        if more is not None:
            rows = rows + more[at // mask.shape[1]] if len(at) else rows
        return spread(self.dropout(rows), at, mask)

    def encode(self, batch: Batch) -> UserVectors:
        """The vectors of B users, independent of any candidate.

        Raises:
            ModelError: the backbone reads the candidate, so a user has no vectors without one.
        """
        raise ModelError(f"{type(self).__name__} on {self.config.backbone} reads the candidate: only pairs have scores")

    def pair_vectors(self, batch: Batch, candidates: Tensor) -> PairVectors:
        """The vectors of B users for C candidates each, given as item rows int64 (B, C)."""
        users = self.encode(batch)
        themes = self.item_theme[candidates] if users.themed.shape[1] > 1 else torch.zeros_like(candidates)
        wanted = themes.unsqueeze(-1).expand(-1, -1, self.config.width)
        return PairVectors(
            vectors=users.themed.gather(1, wanted),
            bias=users.bias.gather(1, themes),
            base=users.base.unsqueeze(1).expand_as(wanted),
        )

    def realtime_rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The embeddings (..., realtime) and biases (...,) of real-time features (..., REALTIME_FEATURES).

        The bias starts at the log of the item's recent share of the clicks, so an untrained model ranks by popularity.
        """
        out = self.realtime(features)
        return out[..., :-1], out[..., -1] + LOG_SHARE * (features[..., :2] - SHARE_ONE) @ self.prior

    def score(self, users: UserVectors, candidates: Tensor, features: Tensor) -> Tensor:
        """Scores (B, C) of the same C candidates for every user, without repeats.

        Args:
            users: from ``encode``.
            candidates: int64 (C,) item rows.
            features: float32 (C, REALTIME_FEATURES), see ``Realtime.features``.
        """
        realtime, bias = self.realtime_rows(features)
        scores: Tensor = self.realtime_user(users.base) @ realtime.T + bias
        return scores + self._match(users, self.item_rows(candidates) * self.scale.exp(), self.item_theme[candidates])

    def score_moments(
        self,
        users: UserVectors,
        candidates: Tensor,
        moments: Sequence[Realtime],
        sizes: Sequence[int],
        offsets: Sequence[Tensor],
    ) -> Tensor:
        """The same for users at several moments, at each of which other items are popular.

        Args:
            users: from ``encode``, those of one moment after those of the other.
            candidates: int64 (C,) item rows; fastest in order of their themes.
            moments: what is popular at each.
            sizes: how many of the users belong to each.
            offsets: of each, float32 (C,), added to the scores.
        """
        slot = candidates.new_full((self.config.items + 1,), -1)
        slot[candidates] = torch.arange(len(candidates), device=self.device)
        shown = self.shown(candidates)
        rows = self.item_rows(candidates, shown) * self.scale.exp()
        scores = self._match(users, rows, self.item_theme[candidates])
        parts = []
        of_users = self.realtime_user(users.base).split(list(sizes))
        for state, now, offset in zip(of_users, moments, offsets, strict=True):
            realtime, bias = self._realtime_columns(now, shown, slot)
            parts.append(torch.addmm(bias + offset, state, realtime.T))
        return torch.cat(parts).add_(scores)

    def _realtime_columns(self, now: Realtime, shown: Tensor, slot: Tensor) -> tuple[Tensor, Tensor]:
        """As ``realtime_rows``, of C candidates; ``slot``: the column of each item row, or -1; ``shown``: see there.

        An item that is hidden looks like one that is not known in these features, too. Otherwise all items would be
        known in training, and what the model says of others would be left to chance.

        Items that are not popular have the same features, so there is little to compute.
        """
        column = slot[now.popular]
        listed = column >= 0
        known = shown.new_tensor([0.0, 1.0])
        facts = torch.cat([idle_facts(self.device).expand(2, -1), now.facts[listed]])
        known = torch.cat([known, shown[column[listed]]])
        share, slow_share, age_hours = facts.unbind(-1)
        rows, bias = self.realtime_rows(realtime_features(share, slow_share, age_hours, known))
        place = shown.long()
        place[column[listed]] = torch.arange(2, 2 + int(listed.sum()), device=self.device)
        found = F.embedding(place, torch.cat([rows, bias.unsqueeze(1)], 1))
        return found[:, :-1], found[:, -1]

    def _match(self, users: UserVectors, rows: Tensor, themes: Tensor) -> Tensor:
        """<u_x, e_x> and the bias of x's theme, of B users and C items: one product per theme.

        Items that come in order of their themes are not copied around, which is half of the time.
        """
        vectors = users.themed.shape[1]
        if vectors == 1:
            return users.themed[:, 0] @ rows.T + users.bias
        counts = torch.bincount(themes, minlength=vectors).tolist()
        order = None if (themes[1:] >= themes[:-1]).all() else torch.argsort(themes, stable=True)
        parts = (rows if order is None else rows[order]).split(counts)
        pieces = [
            torch.addmm(users.bias[:, theme, None], users.themed[:, theme], part.T)
            for theme, part in enumerate(parts)
            if len(part)
        ]
        return torch.cat(pieces, 1) if order is None else torch.cat(pieces, 1)[:, torch.argsort(order)]

    def add_repeats(self, scores: Tensor, batch: Batch, slot: Tensor) -> Tensor:
        """Add a learned bias to scores (B, C) for every recent event of an item. It depends on the age of the event.

        Readers rarely open a news article again, but customers come back to what they bought. The biases learn which.

        Args:
            scores: float32 (B, C), of the candidates; changed in place, since a copy would cost as much as all else.
            batch: the B users.
            slot: int64 (items + 1,), the column of each item row, -1 for those that are no candidates.
        """
        rows, columns, bias = self._repeats(batch, slot)
        return scores.index_put_((rows, columns), bias, accumulate=True)

    def _repeats(self, batch: Batch, slot: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (m,), columns (m,) and biases (m,) of what ``add_repeats`` adds."""
        columns = slot[batch.items]
        rows, at = torch.nonzero((columns >= 0) & batch.mask, as_tuple=True)
        return rows, columns[rows, at], self.repeat(batch.ages[rows, at])

    def score_pairs(self, batch: Batch, candidates: Tensor, features: Tensor) -> Tensor:
        """Scores (B, C) of each user's own candidates, with repeats: the same as ``score`` and ``add_repeats`` give.

        Args:
            batch: the users.
            candidates: int64 (B, C) item rows.
            features: float32 (B, C, REALTIME_FEATURES), of each of them.
        """
        users = self.pair_vectors(batch, candidates)
        shown = self.shown(candidates)
        rows = self.item_rows(candidates, shown) * self.scale.exp()
        if self.training:  # hidden in both
            features = torch.cat([features[..., :-1], shown.unsqueeze(-1)], -1)
        realtime, bias = self.realtime_rows(features)
        bias = bias + users.bias + self._pair_repeats(batch, candidates)
        scores: Tensor = (users.vectors * rows).sum(-1) + (self.realtime_user(users.base) * realtime).sum(-1)
        return scores + bias

    def _pair_repeats(self, batch: Batch, candidates: Tensor) -> Tensor:
        """What ``add_repeats`` adds to each user's own candidates, (B, C)."""
        again = (batch.items.unsqueeze(1) == candidates.unsqueeze(2)) & batch.mask.unsqueeze(1)
        return torch.sum(again * self.repeat(batch.ages).unsqueeze(1), 2)
