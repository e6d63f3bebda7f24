"""What a training made, and how good it is."""

from __future__ import annotations

import msgspec

from mos_online.metrics import Estimate


class TrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, and how good it is on the validation positions, full ranking at 10.

    Attributes:
        version, router_version: of the published model.
        events, router_events, examples: how many were cut into sessions, themed, and learned before validation.
        validation_examples: how many were measured, spread over those that were held out.
        items: rows of the model.
        content: length of the vectors of what the catalogue says of items; 0 if it says nothing.
        listed: items that the catalogue lists and nobody has clicked; they can be recommended, too.
        half_life_hours: of item popularity, chosen on events before the validation.
        knn_half_life_hours, knn_resumes: of item-kNN, chosen on the same events, see ``LastItemKnn``. Co-clicks have
            the same half-life.
        popularity_repeats, knn_repeats: whether their lists hold items that the user had, which was better there.
        mos_hit_rate, mos_ndcg: of the model, with neighbours and popularity mixed in as in service.
        alone_hit_rate, alone_ndcg: of the model by itself.
        ahead_hours: how long after the close of a session its user is expected, in lists for the next one.
        ahead_learned: whether these have weights of their own, and are not mixed as lists for now.
        ahead_repeats: whether what a user had is in its place in them, and not last.
        ahead_examples: how many of these lists were measured: first clicks of held-out sessions.
        ahead_ndcg, ahead_as_now_ndcg: of these lists, and of lists for now at the same moments.
        alike: whether items that share sessions started out alike, which the validation positions decided.
        baselines: what popularity, item-kNN and VMIS-kNN reach on the same positions, every click known at once.
        passes, seconds: spent.
        theme_labels: readable names; index 0 is "unrouted".
    """

    version: str
    router_version: str
    events: int
    items: int
    content: int
    listed: int
    router_events: int
    examples: int
    validation_examples: int
    half_life_hours: float
    knn_half_life_hours: float
    knn_resumes: bool
    mos_hit_rate: float
    mos_ndcg: float
    alone_hit_rate: float
    alone_ndcg: float
    ahead_hours: float
    ahead_learned: bool
    ahead_repeats: bool
    ahead_examples: int
    ahead_ndcg: float
    ahead_as_now_ndcg: float
    alike: bool
    baselines: dict[str, dict[str, Estimate]]
    passes: int
    seconds: float
    theme_labels: list[str]
    popularity_repeats: bool = True
    knn_repeats: bool = True
