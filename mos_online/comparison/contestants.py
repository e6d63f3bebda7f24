"""Who is compared: MoS, its ablations and its rivals, each with the same items, live terms, repeats and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from mos_online.comparison.cell import parameters
from mos_online.comparison.trial import Trial
from mos_online.errors import ModelError
from mos_online.model import MoS, MoSConfig, SequenceModel
from mos_online.model.backbone import Backbone, Resized, build_backbone
from mos_online.rivals.interests import ComiRec
from mos_online.rivals.mixtures import PLE, DSelectK, ExpertChoice, GShard, MMoE
from mos_online.rivals.monolith import Monolith
from mos_online.rivals.sessions import DSIN, HRNN
from mos_online.rivals.softmax_fusion import SoftmaxFusion

MIXTURES = {"mmoe": MMoE, "ple": PLE, "gshard": GShard, "dselect-k": DSelectK, "expert-choice": ExpertChoice}
EXPERTS = 4
TWO_HEADS = ("sasrec", "twin")
"""Backbones whose width must be even."""
TOLERANCE = 0.05
"""Of the number of parameters of two models that count as equally large."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of every contestant: d, events that are read, d_r, K."""

    width: int = 32
    recent: int = 50
    short: int = 10
    theme_ring: int = 20


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A row of the table.

    Attributes:
        build: (config, backbone's name) -> untrained model.
        routing: key of ``mos_online.comparison.routings.ROUTINGS``, or "own" for the vectors of a trained backbone.
        table: whether the routing vectors are part of the items' rows.
        about: one line for the report.
    """

    build: Callable[[MoSConfig, str], SequenceModel]
    about: str
    routing: str = "learned"
    table: bool = True

    def make(self, trial: Trial, backbone: str, sizes: Sizes, themes: int) -> SequenceModel:
        """Untrained, for the items of a trial.

        Raises:
            ModelError: no such backbone, or no width that gives the wanted number of parameters.
        """
        config = MoSConfig(
            backbone=backbone,
            items=len(trial.catalogue.items),
            categories=len(trial.catalogue.categories),
            themes=themes,
            table=trial.table.shape[1] if self.table else 0,
            width=sizes.width,
            recent=sizes.recent,
            short=sizes.short,
            theme_ring=sizes.theme_ring,
        )
        return self.build(config, backbone)


def _backbone(config: MoSConfig, name: str) -> SequenceModel:
    return Monolith(config, lambda: build_backbone(name, config.width, config.recent))


def _long(config: MoSConfig, name: str) -> SequenceModel:
    longer = replace(config, recent=config.recent + config.short + config.theme_ring)
    return _backbone(longer, name)


def _resized(config: MoSConfig, name: str, hidden: int) -> Backbone:
    return Resized(name, config.width, config.recent, hidden)


def _wide(config: MoSConfig, name: str) -> SequenceModel:
    return _matched(config, name, lambda hidden: Monolith(config, lambda: _resized(config, name, hidden)))


def _mixture(config: MoSConfig, name: str, *, kind: Callable[..., Backbone], matched: bool) -> SequenceModel:
    def of(make: Callable[[], Backbone]) -> SequenceModel:
        return Monolith(config, lambda: kind(make, config.width, experts=EXPERTS))

    if not matched:
        return of(lambda: build_backbone(name, config.width, config.recent))
    return _matched(config, name, lambda hidden: of(lambda: _resized(config, name, hidden)))


def _matched(config: MoSConfig, name: str, made: Callable[[int], SequenceModel]) -> SequenceModel:
    """The model with as many parameters as MoS, within 5 %.

    Raises:
        ModelError: no hidden width fits.
    """
    wanted = parameters(MoS(config))
    step = 2 if name in TWO_HEADS else 1
    best = min((made(hidden) for hidden in range(2, 161, step)), key=lambda model: abs(parameters(model) - wanted))
    if abs(parameters(best) - wanted) > TOLERANCE * wanted:
        raise ModelError(f"no width gives {wanted:,} parameters within 5 %; nearest is {parameters(best):,}")
    return best


def _mos(config: MoSConfig, name: str) -> SequenceModel:
    return MoS(config)


CONTESTANTS: dict[str, Contestant] = {
    "backbone": Contestant(build=_backbone, table=False, about="the backbone by itself"),
    "backbone+table": Contestant(build=_backbone, about="with the routing vectors as features: the baseline"),
    "wide": Contestant(build=_wide, about="as many parameters as MoS"),
    "long": Contestant(build=_long, about="reads as many events as MoS"),
    "short": Contestant(build=_mos, routing="unrouted", about="global and short-term expert only"),
    "mos": Contestant(build=_mos, about="MoS"),
    "mos-random": Contestant(build=_mos, routing="random", about="fixed random themes"),
    "mos-category": Contestant(build=_mos, routing="category", about="themes are categories (SIM hard search)"),
    "mos-contrastive": Contestant(build=_mos, routing="contrastive", about="themes by contrast of session halves"),
    "mos-own": Contestant(build=_mos, routing="own", about="themes from the trained backbone's item vectors"),
    "mos-same-window": Contestant(build=_mos, routing="same_window", about="router fitted on the examples: a trap"),
    "mos-softmax": Contestant(build=lambda c, n: SoftmaxFusion(c), about="softmax fusion instead of gates"),
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
    "comirec": Contestant(build=lambda c, n: ComiRec(c), about="ComiRec-SA"),
    "hrnn": Contestant(build=lambda c, n: HRNN(c), about="hierarchical GRU"),
    "dsin": Contestant(build=lambda c, n: DSIN(c), about="session interests, causal"),
}
"""name -> contestant. Popularity and nearest neighbours are not fitted: see ``mos_online.comparison.counting``."""
