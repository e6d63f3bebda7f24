"""From a user's profile and open session to ranked items: what the service computes, without the service."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mos_online.contracts import RankedItem
from mos_online.errors import ModelError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot, established, merge, newest
from mos_online.model.batch import collate
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.model.co_clicks import evidence_of
from mos_online.model.expectation import Expectations
from mos_online.model.neighbours import Neighbours
from mos_online.recommend.candidates import SPARE, CandidateItems, Candidates
from mos_online.recommend.explanation import clicked_together, theme_shares
from mos_online.recommend.fallback import PopularItems, fallback_reason
from mos_online.recommend.filters import exclude
from mos_online.recommend.history import history_of
from mos_online.recommend.live_mixing import FIRST_ITEMS, Answered, LiveMixing
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.scores import scores_of
from mos_online.themes import Router
from mos_online.users.ring_sizes import RingSizes


class Recommender:
    """A model in service: profiles, popularity and co-clicks in, rankings out.

    One thread may call ``recommend`` and another one the methods that observe at the same time; neither waits.
    """

    def __init__(
        self,
        checkpoint: ModelCheckpoint,
        *,
        new_item_users: int = 1,
        live_mixing: bool = True,
        gap_ms: int | None = None,
    ) -> None:
        """Use ``load``; ``checkpoint`` must have rows to spare, see ``CandidateItems``."""
        if gap_ms is not None:
            checkpoint.model.mixing.gap_ms = checkpoint.model.ahead.gap_ms = gap_ms
        self.model_version = checkpoint.version
        self.router = self.base = checkpoint.router
        self.router_version = checkpoint.router.version
        self.half_life_ms = checkpoint.half_life_ms
        self._model = checkpoint.model
        self._sizes = RingSizes(recent=checkpoint.model.config.recent, theme=checkpoint.model.config.theme_ring)
        self._trained_popular = checkpoint.popular
        self._items = CandidateItems(checkpoint)
        self._catalogue = frozenset([*checkpoint.items, *checkpoint.catalogued.items])
        self._new_item_users = new_item_users
        self._own_router = False
        self._expectations = self._no_expectations()
        self._live = LiveMixing(checkpoint.model.mixing, checkpoint.model.ahead, learns=live_mixing)
        self.co_click_half_life_ms = checkpoint.co_click_half_life_ms
        self.observe_popularity([])
        self.observe_co_clicks([])

    @classmethod
    def load(
        cls, folder: Path, *, new_item_users: int = 1, live_mixing: bool = True, gap_ms: int | None = None
    ) -> Recommender:
        """Load a version from the registry.

        Args:
            folder: of the version.
            new_item_users: an item that is not in the catalogue of the model is recommended when so many different
                users have clicked it.
            live_mixing: whether ``learn`` learns how much neighbours and popularity count beside the model.
            gap_ms: a session ends when its user is silent for longer, as the counts have it; None: as in training.

        Raises:
            ModelError: a file is missing, damaged or of another version.
        """
        checkpoint = ModelCheckpoint.from_pretrained(folder, spare=SPARE)
        return cls(checkpoint, new_item_users=new_item_users, live_mixing=live_mixing, gap_ms=gap_ms)

    @property
    def catalogue(self) -> frozenset[str]:
        """The items that the model was trained on, and those that its catalogue lists."""
        return self._catalogue

    @property
    def mixing_clicks(self) -> int:
        """How many clicks of its users say how much is mixed in; 0: the training does."""
        return self._live.learned_from

    def revised(self, router: Router) -> Recommender:
        """The same model with a revision of its router; this recommender goes on as it is.

        From now on only the new one may observe popularity and co-clicks. The model shares its weights with this one,
        and what is learned of its users.

        Raises:
            ModelError: the router is of another epoch: its theme ids mean something else than what the model learned.
        """
        if router.epoch != self.router.epoch:
            raise ModelError(
                f"router {router.version} is of epoch {router.epoch}, model {self.model_version} of {self.router.epoch}"
                f": use a revision of that epoch, or put a model of the other one into service"
            )
        twin = copy.copy(self)
        twin.router, twin.router_version = router, router.version
        items = self._items.revised(router)
        twin._items, twin._model = items, items.model  # noqa: SLF001 - it is one of us
        twin.observe_popularity(self._popularity)
        return twin

    def _no_expectations(self) -> tuple[Expectations, Expectations]:
        """Of lists for now, and of those for the next session, when nobody has asked."""
        rows = len(self._model.item_theme)
        return Expectations(rows), Expectations(rows)

    def branched(self, *, own_router: bool) -> Recommender:
        """The same model as it was trained, for other users; it shares the weights, and both observe by themselves.

        How much is mixed in is learned from the users of both, and is the same in both: they differ in the router only.

        Args:
            own_router: whether sessions are routed by its router, whatever router has routed them when they closed.
        """
        twin = copy.copy(self)
        twin.router, twin.router_version = self.base, self.base.version
        items = self._items.branched(self.base)
        twin._items, twin._model, twin._own_router = items, items.model, own_router  # noqa: SLF001 - it is one of us
        now, ahead = self._expectations
        twin._expectations = now.copied(items.trained), ahead.copied(items.trained)  # noqa: SLF001
        twin.observe_popularity([])
        twin.observe_co_clicks([])
        return twin

    def observe_popularity(self, snapshots: Sequence[PopularitySnapshot]) -> None:
        """Take the newest counts of all partitions: popularity, and new items with their categories.

        Batches that are asked for from now on see them. By one thread at a time.
        """
        merged = merge(snapshots, half_life_ms=self.half_life_ms, top=LISTED_ITEMS)
        popularity = established(merged, self._catalogue, users=self._new_item_users)
        self._popularity = snapshots
        self._now = self._items.at(popularity), PopularItems(popularity, self._trained_popular), merged.as_of

    def learn(self) -> None:
        """Learn from what users have clicked after they asked. By the thread that calls ``observe_popularity``.

        Call it about once a second. After every 500 clicks it takes a fraction of a second, and else hardly any time.
        """
        self._live.learn()

    def begin_anew(self) -> None:
        """Forget what users have taught: the model has not been in service for a while. By that thread, too."""
        self._live = self._live.anew()
        self._expectations = self._no_expectations()

    def observe_co_clicks(self, snapshots: Sequence[CoClickSnapshot]) -> None:
        """Take the newest co-clicks of all partitions. Items that no popularity has brought yet are left out.

        Batches that are asked for from now on see them. By the thread that calls ``observe_popularity``.
        """
        neighbours = Neighbours.of(snapshots, self._now[0].rows, half_life_ms=self.co_click_half_life_ms)
        self._together = neighbours, newest(snapshots)

    def recommend(self, queries: Sequence[Query]) -> list[Ranking]:
        """Rank for a batch of queries; each is independent of the others of the batch up to float rounding.

        Of queries that teach it is kept what ``learn`` and later corrections need.
        """
        ranked: dict[int, Ranking] = {}
        for ahead in (False, True):
            if chosen := [place for place, query in enumerate(queries) if query.ahead == ahead]:
                ranked |= zip(chosen, self._rank([queries[place] for place in chosen], ahead=ahead), strict=True)
        return [ranked[place] for place in range(len(queries))]

    def _rank(self, queries: Sequence[Query], *, ahead: bool) -> list[Ranking]:
        """Rank for queries of one kind."""
        (candidates, popular, as_of), (neighbours, together_as_of) = self._now, self._together
        router, own, model = self.router, self._own_router, self._model
        mixing = self._live.ahead if ahead else self._live.mixing
        read = partial(
            history_of,
            router=router,
            sizes=self._sizes,
            rows=candidates.rows,
            own_router=own,
            delay_ms=mixing.delay_ms,
        )
        histories = [read(query) for query in queries]
        batch = collate(histories)
        known_to = max(as_of, together_as_of)
        learns = bool(mixing.learned) and not ahead
        places = mixing.places(batch)
        found = self._live.teaching(queries, histories, places.tolist(), as_of=known_to) if learns else []
        teaching = torch.tensor(found, dtype=torch.int64)
        with torch.inference_mode():
            users = model.encode(batch)
            alone = scores_of(model, users, batch, candidates)
            evidence = evidence_of(batch, places, neighbours)
            sizes = [len(queries)]
            calibration = mixing.calibration
            calibration.sharpen(alone)
            if how := calibration.corrected:
                counted = torch.zeros(len(queries), dtype=torch.bool).index_fill(0, teaching, value=True)
                counted |= (batch.items > 0).any(1) & ahead
                now = [candidates.popular]
                self._expectations[ahead].correct(how, alone, now, sizes, candidates.columns, counted, places)
            kept = alone[teaching]
            scores, others = mixing.mix(alone, batch, evidence, [candidates.popular], sizes, candidates.slot)
            levels = scores.logsumexp(1).tolist()
            exclude(scores, queries, candidates)
            most = max([FIRST_ITEMS if found else 1, *(query.k for query in queries)])
            scores, others = (mixing.ordered(one, batch, candidates.slot) for one in (scores, others))
            best, columns = scores.topk(min(most, scores.shape[1]))
            of_neighbours = 1 - (others.gather(1, columns) - best).exp()
            if found:
                users_of = [queries[number].user_id for number in found]
                newest_of = [int(histories[number].times[-1]) for number in found]
                first = columns[teaching, :FIRST_ITEMS]
                self._live.note(Answered(users_of, newest_of, teaching, kept, batch, evidence, candidates, first))
        rankings: list[Ranking] = []
        make = partial(
            Ranking, candidates=len(candidates.order), popularity_as_of=as_of, co_clicks_as_of=together_as_of
        )
        for row, (query, history) in enumerate(zip(queries, histories, strict=True)):
            if (reason := fallback_reason(history)) is not None:
                popular_items = popular.ranking(query, candidates, place=int(places[row]))
                rankings.append(make(items=popular_items, themes=[], fallback=reason))
                continue
            rows = [candidates.order[column] for column in columns[row, : query.k].tolist()]
            together = clicked_together(evidence, row, rows, of_neighbours[row, : query.k])
            items = _ranked(candidates, best[row, : query.k], rows, together)
            shares = theme_shares(users.gates[row], history, self.router.labels)
            rankings.append(make(items=items, themes=shares, fallback=None, score_level=levels[row]))
        return rankings


def _ranked(candidates: Candidates, best: Tensor, rows: Sequence[int], together: Sequence[int]) -> list[RankedItem]:
    """Items of these rows, without those that are excluded; ``together``: rows of items that they go with, or 0."""
    return [
        RankedItem(
            item_id=candidates.names[row],
            score=score,
            theme=candidates.themes[row],
            together_with=candidates.names[other] if other else None,
        )
        for row, score, other in zip(rows, best.tolist(), together, strict=True)
        if score > -np.inf
    ]
