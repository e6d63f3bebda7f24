"""Themes and a MoS from a click log, start to finish: split by time, route, train, measure beside the baselines."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import polars as pl
import torch
from torch import Tensor

from mos_online.baselines import LastItemKnn, RecentPopularity, choose_half_life
from mos_online.contracts import Click, Context
from mos_online.errors import DatasetError, ModelError
from mos_online.items.popularity import ACTIVE_LISTED
from mos_online.metrics import Estimate, Judged, PrequentialJudge
from mos_online.model import BACKBONES
from mos_online.model.checkpoint import Checkpoint
from mos_online.model.config import MoSConfig
from mos_online.model.mos import MoS
from mos_online.registry.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, TableConfig
from mos_online.themes.cooccurrence import routing_table
from mos_online.training.card import model_card
from mos_online.training.fit import Example, examples, fit, loss_of, measure, refresh
from mos_online.training.log import Catalogue, SequenceLog, themes_of_events, with_sessions
from mos_online.training.moments import Moment, moments

WARM = 300_000
"""So many clicks before the first one that counts teach what is popular."""

Progress = Callable[[str, float, str], None]
"""Called with the stage, the share of it that is done (0..1) and a line of words."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is made.

    Attributes:
        backbone, themes, width, recent, short, theme_ring: of the model, see ``MoSConfig``.
        longest_log: at most so many of the newest events are used at all.
        examples: at most so many of the newest events are predicted; themes are learned from the ones before.
        validation: share of those, the newest, that early stopping looks at; never trained on before it is done.
        moment: targets that share one view of the popularity.
        minutes: time budget of the fitting; epochs, patience: see ``fit``.
        rate: learning rate.
        threads: of torch.
        seed: of everything random.
    """

    backbone: str = "gru4rec"
    themes: int = 12
    width: int = 48
    recent: int = MoSConfig.recent
    short: int = MoSConfig.short
    theme_ring: int = MoSConfig.theme_ring
    longest_log: int = 1_200_000
    examples: int = 80_000
    validation: float = 0.1
    moment: int = 256
    minutes: float = 1.0
    epochs: int = 12
    patience: int = 2
    rate: float = 3e-3
    threads: int = 2
    seed: int = 0


class TrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, and how good it is on the validation positions, full ranking at 10.

    Attributes:
        version, router_version: of the published model.
        events, router_events, examples, validation_examples: how many were used for what.
        half_life_hours: of item popularity, chosen on events before the validation.
        mos_hit_rate, mos_ndcg, untrained_ndcg: of the model, and of its start.
        baselines: what popularity and last-item kNN reach on the same positions, every click known at once.
        passes, seconds: spent.
    """

    version: str
    router_version: str
    events: int
    items: int
    router_events: int
    examples: int
    validation_examples: int
    half_life_hours: float
    mos_hit_rate: float
    mos_ndcg: float
    untrained_ndcg: float
    baselines: dict[str, dict[str, Estimate]]
    passes: int
    seconds: float
    theme_labels: list[str]


def train(
    events: pl.DataFrame,
    items: pl.DataFrame,
    registry: Registry,
    *,
    sessions: SessionConfig,
    config: TrainConfig,
    name: str,
    on_progress: Progress,
) -> TrainReport:
    """Make a model and put it into service.

    The log is split by time: themes from the oldest part, examples after it, validation the newest. Measured and
    stopped on the validation part, the model then makes one pass over it, so that in service it has seen the newest
    events too.

    Args:
        events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
        items: columns item_id, title, category.
        registry: where the model is published.
        sessions: rules by which the log is cut.
        config: sizes and budget.
        name: of the dataset, for the card.
        on_progress: see ``Progress``.

    Raises:
        DatasetError: the log is too short.
        ModelError: no themes can be learned from it, or the backbone cannot rank a catalogue.
    """
    if config.backbone in BACKBONES and BACKBONES[config.backbone].target_aware:
        whole = ", ".join(name for name, cls in sorted(BACKBONES.items()) if not cls.target_aware)
        raise ModelError(
            f"{config.backbone} reads the candidate: it scores pairs, and a service has to rank a whole catalogue; "
            f"choose one of {whole}"
        )
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    started = time.monotonic()
    on_progress("sessions", 0.0, "cutting the log")
    log_events = with_sessions(events.tail(config.longest_log), sessions).with_row_index("at")
    ordered = log_events.sort("timestamp", "event_id")
    if len(ordered) < 200:
        raise DatasetError(f"{len(ordered)} events are too few to train on; at least 200 are needed")
    targets = min(config.examples, len(ordered) // 2)
    first, held_out = len(ordered) - targets, len(ordered) - max(int(targets * config.validation), 20)
    categories = _categories(items)
    on_progress("themes", 0.0, f"from the {first:,} oldest events")
    half_life = choose_half_life(ordered.head(held_out))
    router = _fit_router(ordered.head(first), items, config)
    on_progress("examples", 0.0, f"{targets:,} positions")
    catalogue = Catalogue.of(ordered["item_id"].unique(maintain_order=True).to_list(), categories, router)
    rows = {item: number for number, item in enumerate(catalogue.items, 1)}
    themes = themes_of_events(log_events, router, categories)
    log = SequenceLog(log_events, catalogue, themes, router.n_themes)
    clicks = to_clicks(ordered, categories)
    warm = max(0, first - WARM)
    walk = moments(
        clicks[warm:],
        ordered["at"].to_numpy()[warm:].astype("int64"),
        first=first - warm,
        size=config.moment,
        half_life_ms=half_life,
        top=ACTIVE_LISTED,
    )
    parts = list(walk)
    border = (held_out - first) // config.moment
    model = _model(config, catalogue, router)
    seen = set(ordered["item_id"].head(first + border * config.moment))
    known = torch.tensor([0.0, *(float(item in seen) for item in catalogue.items)])
    vectors = router.vectors(catalogue.items, [categories.get(item) for item in catalogue.items])
    tensors = {
        "category": torch.from_numpy(catalogue.item_category),
        "theme": torch.from_numpy(catalogue.item_theme),
        "table": torch.cat([torch.zeros(1, router.dimensions), torch.from_numpy(vectors)]),
    }
    model.set_catalogue(**tensors, known=known)
    model.start_from(_first_rows(ordered.head(first + border * config.moment), rows, config))
    made = _examples_with_progress(log, parts, model, rows, on_progress)
    learned, validation = made[:border], made[border:]
    untrained = measure(model, validation)
    generator = torch.Generator().manual_seed(config.seed)
    _, passes = fit(
        model,
        len(learned),
        lambda index: loss_of(model, learned[index], generator),
        lambda: measure(model, validation).ndcg,
        seconds=60 * config.minutes,
        epochs=config.epochs,
        patience=config.patience,
        rate=config.rate,
        seed=config.seed,
        on_progress=lambda part, words: on_progress("fit", part, words),
    )
    best = measure(model, validation)
    on_progress("baselines", 0.0, "on the same positions")
    judged = _baselines(clicks, first + border * config.moment, half_life, sessions.gap)
    model.set_catalogue(**tensors, known=torch.tensor([0.0] + [1.0] * len(catalogue.items)))
    refresh(model, validation, rate=config.rate / 5, seed=config.seed)
    checkpoint = Checkpoint(
        model=model,
        router=router,
        items=list(catalogue.items),
        categories=list(catalogue.categories),
        popular=ordered["item_id"].tail(100_000).value_counts(sort=True)["item_id"].head(200).to_list(),
        half_life_ms=half_life,
        training={},
    )
    report = TrainReport(
        version=checkpoint.version,
        router_version=router.version,
        events=len(ordered),
        items=len(catalogue.items),
        router_events=first,
        examples=border * config.moment,
        validation_examples=best.positions,
        half_life_hours=half_life / 3_600_000,
        mos_hit_rate=best.hit_rate,
        mos_ndcg=best.ndcg,
        untrained_ndcg=untrained.ndcg,
        baselines={
            who: {"hit_rate_at_10": judged.hit_rate[who], "ndcg_at_10": judged.ndcg[who]} for who in judged.hit_rate
        },
        passes=passes,
        seconds=round(time.monotonic() - started, 1),
        theme_labels=router.labels,
    )
    _publish(checkpoint, report, registry, config, name, ordered)
    return report


def to_clicks(events: pl.DataFrame, categories: Mapping[str, str]) -> list[Click]:
    """Rows as clicks, each with its item's category in the context, as a site would send it."""
    contexts: dict[str, Context] = {name: {"category": name} for name in set(categories.values())}
    columns = (events[name].to_list() for name in ("event_id", "user_id", "item_id", "timestamp", "event_type"))
    return [
        Click(
            event_id=event_id,
            user_id=user,
            item_id=item,
            timestamp=timestamp,
            event_type=event_type,
            context=contexts[categories[item]] if item in categories else None,
        )
        for event_id, user, item, timestamp, event_type in zip(*columns, strict=True)
    ]


def _categories(items: pl.DataFrame) -> dict[str, str]:
    known = items.filter(pl.col("category").is_not_null())
    return dict(zip(known["item_id"].to_list(), known["category"].to_list(), strict=True))


def _fit_router(events: pl.DataFrame, items: pl.DataFrame, config: TrainConfig) -> Router:
    return Router.fit(events, items, RouterConfig(themes=config.themes, seed=config.seed))


def _model(config: TrainConfig, catalogue: Catalogue, router: Router) -> MoS:
    return MoS(
        MoSConfig(
            backbone=config.backbone,
            items=len(catalogue.items),
            categories=len(catalogue.categories),
            themes=router.n_themes,
            width=config.width,
            recent=config.recent,
            short=config.short,
            theme_ring=config.theme_ring,
            table=router.dimensions,
        )
    )


def _first_rows(events: pl.DataFrame, rows: Mapping[str, int], config: TrainConfig) -> Tensor:
    """Unit vectors of in-session co-occurrence for the model's own item table, zero for items too rare for one."""
    start = torch.zeros(len(rows) + 1, config.width)
    width = min(config.width, events["item_id"].n_unique() // 4)
    names, table = routing_table(events, TableConfig(dimensions=width, min_sessions=2, seed=config.seed))
    start[[rows[name] for name in names], :width] = torch.from_numpy(table)
    return start


def _examples_with_progress(
    log: SequenceLog, parts: list[Moment], model: MoS, rows: Mapping[str, int], on_progress: Progress
) -> list[Example]:
    made: list[Example] = []
    for number, part in enumerate(parts):
        made += examples(log, [part], model, rows)
        on_progress("examples", (number + 1) / len(parts), f"{number + 1} of {len(parts)} moments")
    return made


def _baselines(clicks: list[Click], first: int, half_life: float, gap: int) -> Judged:
    """Popularity and last-item kNN on the positions from ``first`` on, after as many clicks as they can use."""
    popularity = RecentPopularity(half_life_ms=half_life)
    knn = LastItemKnn(gap_ms=gap, half_life_ms=knn_half_life(half_life), fill=popularity)
    judge = PrequentialJudge()
    warm = max(0, first - WARM)
    for number, click in enumerate(clicks[warm:], warm):
        if number >= first:
            judge.ask(
                str(number),
                click.user_id,
                "validation",
                {"popularity": popularity.top(10), "knn": knn.top(click.user_id, 10)},
            )
            judge.settle(str(number), click.item_id)
        popularity.observe(click)
        knn.observe(click)
    return judge.result("validation")


def knn_half_life(half_life_ms: float) -> float:
    """Co-clicks stay true for longer than counts: on globo_news kNN did best at four times popularity's half-life."""
    return 4 * half_life_ms


def _publish(
    checkpoint: Checkpoint,
    report: TrainReport,
    registry: Registry,
    config: TrainConfig,
    name: str,
    events: pl.DataFrame,
) -> None:
    checkpoint.training.update(msgspec.to_builtins(report) | {"config": asdict(config), "dataset": name})
    span = int(events["timestamp"][0]), int(events["timestamp"][-1])
    with tempfile.TemporaryDirectory() as draft:
        checkpoint.save_pretrained(Path(draft), model_card(report, name=name, span=span, backbone=config.backbone))
        registry.publish(Path(draft))
