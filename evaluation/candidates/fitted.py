"""The fitted models that are compared: MoS, its ablations and its rivals, all with the same features and loss."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from evaluation import backbones  # noqa: F401 - registers those that read the candidate
from evaluation.protocol.scores import parameters
from evaluation.rivals.interests import ComiRec
from evaluation.rivals.mixtures import PLE, DSelectK, ExpertChoice, GShard, MMoE
from evaluation.rivals.monolith import Monolith
from evaluation.rivals.mos_variants import RecurrentExperts, ResidualFusion
from evaluation.rivals.sessions import DSIN, HRNN
from mos_online.errors import ModelError
from mos_online.model import MoS, MoSConfig, SequenceModel
from mos_online.model.backbone import Backbone, Resized, build_backbone

MIXTURES = {"mmoe": MMoE, "ple": PLE, "gshard": GShard, "dselect-k": DSelectK, "expert-choice": ExpertChoice}
EXPERTS = 4
TWO_HEADS = ("sasrec", "twin")
"""Backbones whose width must be even."""
TOLERANCE = 0.05
"""Two models count as equally large if their numbers of parameters differ by at most this share."""


@dataclass(frozen=True, kw_only=True)
class CandidateModel:
    """A model that takes part in comparisons, and the themes it is given.

    Attributes:
        build: config -> untrained model.
        routing: key of ``evaluation.routing.routings.ROUTINGS``, or "own" for the vectors of a trained backbone.
        table: whether the routing vectors are part of the items' rows.
        alone: co-clicks and popularity are mixed into its scores, as the service mixes them, and this is the name of
            the same fit without them; None: nothing is mixed in.
        about: one line for the report.
    """

    build: Callable[[MoSConfig], SequenceModel]
    about: str
    routing: str = "learned"
    table: bool = True
    alone: str | None = None

    def make(self, config: MoSConfig) -> SequenceModel:
        """Build an untrained model.

        Raises:
            ModelError: no such backbone, or no width that gives the wanted number of parameters.
        """
        return self.build(config if self.table else replace(config, table=0))


def _backbone(config: MoSConfig) -> SequenceModel:
    return Monolith(config, lambda: build_backbone(config.backbone, config.width, config.recent))


def _long(config: MoSConfig) -> SequenceModel:
    longer = replace(config, recent=config.recent + config.short + config.theme_ring)
    return _backbone(longer)


def _resized(config: MoSConfig, hidden: int) -> Backbone:
    return Resized(config.backbone, config.width, config.recent, hidden)


def _wide(config: MoSConfig) -> SequenceModel:
    return _matched(config, lambda hidden: Monolith(config, lambda: _resized(config, hidden)))


def _mixture(config: MoSConfig, *, kind: Callable[..., Backbone], matched: bool) -> SequenceModel:
    def of(make: Callable[[], Backbone]) -> SequenceModel:
        return Monolith(config, lambda: kind(make, config.width, experts=EXPERTS))

    if not matched:
        return of(lambda: build_backbone(config.backbone, config.width, config.recent))
    return _matched(config, lambda hidden: of(lambda: _resized(config, hidden)))


def _matched(config: MoSConfig, made: Callable[[int], SequenceModel]) -> SequenceModel:
    """The model with as many parameters as MoS, within 5 %.

    Raises:
        ModelError: no hidden width fits.
    """
    wanted = parameters(MoS(config))
    widths = range(2, 162, 2 if config.backbone in TWO_HEADS else 1)
    above = bisect.bisect_left(widths, wanted, key=lambda hidden: parameters(made(hidden)))
    around = widths[max(above - 1, 0) : above + 1]
    best = min((made(hidden) for hidden in around), key=lambda model: abs(parameters(model) - wanted))
    if abs(parameters(best) - wanted) > TOLERANCE * wanted:
        raise ModelError(f"no width gives {wanted:,} parameters within 5 %; nearest is {parameters(best):,}")
    return best


CANDIDATE_MODELS: dict[str, CandidateModel] = {
    "backbone": CandidateModel(build=_backbone, table=False, about="the backbone by itself"),
    "backbone+table": CandidateModel(build=_backbone, about="with the routing vectors as features: the baseline"),
    "wide": CandidateModel(build=_wide, about="as many parameters as MoS"),
    "long": CandidateModel(build=_long, about="reads as many events as MoS"),
    "short": CandidateModel(build=MoS, routing="unrouted", about="global and short-term expert only"),
    "prior": CandidateModel(build=MoS, routing="no_rings", about="and the prior of the themes, without rings"),
    "mos": CandidateModel(build=MoS, about="MoS"),
    "mos-served": CandidateModel(build=MoS, alone="mos", about="MoS with co-clicks and popularity, as it is served"),
    "mos-random": CandidateModel(build=MoS, routing="random", about="fixed random themes"),
    "mos-category": CandidateModel(build=MoS, routing="category", about="themes are categories (SIM hard search)"),
    "mos-contrastive": CandidateModel(build=MoS, routing="contrastive", about="themes by contrast of session halves"),
    "mos-own": CandidateModel(build=MoS, routing="own", about="themes from the trained backbone's item vectors"),
    "mos-same-window": CandidateModel(
        build=MoS, routing="same_window", about="themes of a router fitted on the examples too, features not"
    ),
    "backbone+fresh-table": CandidateModel(
        build=_backbone, routing="fresh", about="the baseline with vectors from all events before validation"
    ),
    "mos-fresh": CandidateModel(
        build=MoS, routing="fresh", about="vectors and themes from all events before validation"
    ),
    "mos-residual": CandidateModel(build=ResidualFusion, about="gates that add instead of a softmax"),
    "mos-recurrent": CandidateModel(build=RecurrentExperts, about="short-term and theme expert are GRUs"),
    **{
        name: CandidateModel(
            build=partial(_mixture, kind=kind, matched=True), about=f"{kind.__name__}, equal parameters"
        )
        for name, kind in MIXTURES.items()
    },
    **{
        f"{name}-full": CandidateModel(
            build=partial(_mixture, kind=kind, matched=False), about=f"{kind.__name__}, full width"
        )
        for name, kind in MIXTURES.items()
    },
    "comirec": CandidateModel(build=ComiRec, about="ComiRec-SA"),
    "hrnn": CandidateModel(build=HRNN, about="hierarchical GRU"),
    "dsin": CandidateModel(build=DSIN, about="session interests, causal"),
}
"""name -> model. Popularity and nearest neighbours are not fitted: see ``evaluation.candidates.counting``."""
