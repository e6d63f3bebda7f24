"""Who is compared: MoS, its ablations and its rivals, all with the same items, features, repeats and loss."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from evaluation import backbones  # noqa: F401 - registers those that read the candidate
from evaluation.protocol.data import Routing, Trial
from evaluation.protocol.run import parameters
from evaluation.rivals.interests import ComiRec
from evaluation.rivals.mixtures import PLE, DSelectK, ExpertChoice, GShard, MMoE
from evaluation.rivals.monolith import Monolith
from evaluation.rivals.recurrent_experts import RecurrentExperts
from evaluation.rivals.residual_fusion import ResidualFusion
from evaluation.rivals.sessions import DSIN, HRNN
from mos_online.errors import ModelError
from mos_online.model import MoS, MoSConfig, SequenceModel
from mos_online.model.backbone import Backbone, Resized, build_backbone

MIXTURES = {"mmoe": MMoE, "ple": PLE, "gshard": GShard, "dselect-k": DSelectK, "expert-choice": ExpertChoice}
EXPERTS = 4
TWO_HEADS = ("sasrec", "twin")
"""Backbones whose width must be even."""
TOLERANCE = 0.05
"""Of the number of parameters of two models that count as equally large."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of every contestant: d, and how many events its experts read; see ``MoSConfig``."""

    width: int = 32
    recent: int = MoSConfig.recent
    short: int = MoSConfig.short
    theme_ring: int = MoSConfig.theme_ring

    def config(self, trial: Trial, backbone: str, routing: Routing) -> MoSConfig:
        """For the items of a trial."""
        return MoSConfig(
            backbone=backbone,
            items=len(trial.catalogue.items),
            categories=len(trial.catalogue.categories),
            themes=routing.themes,
            table=routing.table.shape[1],
            width=self.width,
            recent=self.recent,
            short=self.short,
            theme_ring=self.theme_ring,
        )


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A row of the table.

    Attributes:
        build: config -> untrained model.
        routing: key of ``evaluation.routing.routings.ROUTINGS``, or "own" for the vectors of a trained backbone.
        table: whether the routing vectors are part of the items' rows.
        about: one line for the report.
    """

    build: Callable[[MoSConfig], SequenceModel]
    about: str
    routing: str = "learned"
    table: bool = True

    def make(self, config: MoSConfig) -> SequenceModel:
        """Untrained.

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


CONTESTANTS: dict[str, Contestant] = {
    "backbone": Contestant(build=_backbone, table=False, about="the backbone by itself"),
    "backbone+table": Contestant(build=_backbone, about="with the routing vectors as features: the baseline"),
    "wide": Contestant(build=_wide, about="as many parameters as MoS"),
    "long": Contestant(build=_long, about="reads as many events as MoS"),
    "short": Contestant(build=MoS, routing="unrouted", about="global and short-term expert only"),
    "prior": Contestant(build=MoS, routing="no_rings", about="and the prior of the themes, without rings"),
    "mos": Contestant(build=MoS, about="MoS"),
    "mos-random": Contestant(build=MoS, routing="random", about="fixed random themes"),
    "mos-category": Contestant(build=MoS, routing="category", about="themes are categories (SIM hard search)"),
    "mos-contrastive": Contestant(build=MoS, routing="contrastive", about="themes by contrast of session halves"),
    "mos-own": Contestant(build=MoS, routing="own", about="themes from the trained backbone's item vectors"),
    "mos-same-window": Contestant(
        build=MoS, routing="same_window", about="themes of a router fitted on the examples too, features not"
    ),
    "backbone+fresh-table": Contestant(
        build=_backbone, routing="fresh", about="the baseline with vectors from all events before validation"
    ),
    "mos-fresh": Contestant(build=MoS, routing="fresh", about="vectors and themes from all events before validation"),
    "mos-residual": Contestant(build=ResidualFusion, about="gates that add instead of a softmax"),
    "mos-recurrent": Contestant(build=RecurrentExperts, about="short-term and theme expert are GRUs"),
    **{
        name: Contestant(build=partial(_mixture, kind=kind, matched=True), about=f"{kind.__name__}, equal parameters")
        for name, kind in MIXTURES.items()
    },
    **{
        f"{name}-full": Contestant(
            build=partial(_mixture, kind=kind, matched=False), about=f"{kind.__name__}, full width"
        )
        for name, kind in MIXTURES.items()
    },
    "comirec": Contestant(build=ComiRec, about="ComiRec-SA"),
    "hrnn": Contestant(build=HRNN, about="hierarchical GRU"),
    "dsin": Contestant(build=DSIN, about="session interests, causal"),
}
"""name -> contestant. Popularity and nearest neighbours are not fitted: see ``evaluation.rivals.counting``."""
