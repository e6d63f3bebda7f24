"""The router: routing table and prototypes as one versioned artefact, and the rule that gives a session its theme."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from mos_online.contracts import SESSION_END, Session
from mos_online.errors import ModelError
from mos_online.profile import UNROUTED, Routed
from mos_online.themes.cooccurrence import TableConfig, Vectors, routing_table
from mos_online.themes.labels import theme_labels
from mos_online.themes.prototypes import spherical_kmeans

FORMAT = 1
TENSORS, DOCUMENT = "router.safetensors", "router.json"


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """How a router is fitted.

    Attributes:
        themes: K.
        table: of the routing table.
        unrouted_share: the share of training sessions that fit worst; tau, the least cosine to a prototype that a
            session needs to be routed, is set so that they are unrouted.
        most_tau: but tau is at most this: items younger than the router are placed by their category's mean row, which
            is further from every prototype, and a news site's sessions are full of them.
        sample: prototypes are fitted on at most this many sessions.
        seed: of k-means and of the sample.
    """

    themes: int = 12
    table: TableConfig = field(default_factory=TableConfig)
    unrouted_share: float = 0.02
    most_tau: float = 0.3
    sample: int = 50_000
    seed: int = 0


class _Document(msgspec.Struct, kw_only=True):
    format: int
    version: str
    tau: float
    items: list[str]
    categories: dict[str, str]
    category_rows: list[str]
    labels: list[str]
    config: dict[str, object]


class Router:
    """Routes sessions and items to themes 1..K, or 0 (unrouted) where nothing fits.

    A session's embedding is the unit mean of its items' unit routing vectors, its theme the prototype of largest
    cosine. An item without a row of its own is placed by the mean of its category's rows; one without either does
    not count. Nothing moves: another assignment needs another version.

    Attributes:
        version: short hash of the artefact's content, e.g. ``r-3f2a9c1b``.
        labels: readable name of each theme; index 0 is "unrouted".
        tau: least cosine of a routed session.
    """

    def __init__(
        self,
        *,
        items: Sequence[str],
        table: Vectors,
        prototypes: Vectors,
        category_rows: Sequence[str],
        category_table: Vectors,
        categories: dict[str, str],
        tau: float,
        labels: Sequence[str],
        config: dict[str, object],
    ) -> None:
        """Use ``fit`` or ``load``.

        Args:
            items, table: item ids and their unit rows, float32 (n, d_r).
            prototypes: unit rows, float32 (K, d_r).
            category_rows, category_table: categories and their unit mean rows.
            categories: item -> category, of every item known at fitting time.
            tau, labels, config: as the attributes; config is kept for the record.
        """
        self.tau = tau
        self.labels = list(labels)
        self._items = list(items)
        self._table = np.ascontiguousarray(table, np.float32)
        self._prototypes = np.ascontiguousarray(prototypes, np.float32)
        self._category_rows = list(category_rows)
        self._category_table = np.ascontiguousarray(category_table, np.float32)
        self._categories = categories
        self._config = config
        self._vectors = dict(zip(self._items, self._table, strict=True))
        self._category_vectors = dict(zip(self._category_rows, self._category_table, strict=True))
        self.version = self._hash()

    @property
    def n_themes(self) -> int:
        """K, without the unrouted theme 0."""
        return len(self._prototypes)

    @property
    def dimensions(self) -> int:
        """d_r."""
        return int(self._prototypes.shape[1])

    @classmethod
    def fit(cls, events: pl.DataFrame, items: pl.DataFrame, config: RouterConfig | None = None) -> Self:
        """Learn table and prototypes from an earlier slice of the log than the model will be trained on.

        Args:
            events: columns session, item_id (str), one row per event.
            items: columns item_id, title, category (str or null).
            config: sizes.

        Raises:
            ModelError: too little co-occurrence for a table, or too few sessions for so many themes.
        """
        config = config or RouterConfig()
        names, table = routing_table(events, config.table)
        known = items.filter(pl.col("category").is_not_null())
        categories = dict(zip(known["item_id"].to_list(), known["category"].to_list(), strict=True))
        category_rows, category_table = _category_means(names, table, categories)
        points = _session_means(events, names, table)
        rng = np.random.default_rng(config.seed)
        if len(points) > config.sample:
            points = points[np.sort(rng.choice(len(points), config.sample, replace=False))]
        prototypes = spherical_kmeans(points, config.themes, seed=config.seed)
        tau = min(float(np.quantile((points @ prototypes.T).max(1), config.unrouted_share)), config.most_tau)
        themes = dict(zip(names, ((table @ prototypes.T).argmax(1) + 1).tolist(), strict=True))
        return cls(
            items=names,
            table=table,
            prototypes=prototypes,
            category_rows=category_rows,
            category_table=category_table,
            categories=categories,
            tau=tau,
            labels=theme_labels(events, items, themes, config.themes),
            config=asdict(config),
        )

    def route(self, session: Session) -> Routed:
        """Place a closed session among the themes; O(events * d_r + K * d_r), independent of everything else."""
        total = np.zeros(self.dimensions, np.float32)
        for event in session.events:
            if event.event_type != SESSION_END:
                category = event.context.get("category") if event.context else None
                vector = self._vector(event.item_id, category if isinstance(category, str) else None)
                if vector is not None:
                    total += vector
        return self._assign(total)

    def route_items(self, item_ids: Iterable[str], categories: Iterable[str | None]) -> Routed:
        """Likewise for items that are no session yet; ``categories`` in the same order, None where unknown."""
        total = np.zeros(self.dimensions, np.float32)
        for item, category in zip(item_ids, categories, strict=True):
            vector = self._vector(item, category)
            if vector is not None:
                total += vector
        return self._assign(total)

    def item_themes(self, item_ids: Sequence[str], categories: Sequence[str | None]) -> NDArray[np.int64]:
        """Theme of each item, int64 (n,): its own nearest prototype, 0 for an item without row and category row."""
        rows = np.zeros((len(item_ids), self.dimensions), np.float32)
        for index, (item, category) in enumerate(zip(item_ids, categories, strict=True)):
            vector = self._vector(item, category)
            if vector is not None:
                rows[index] = vector
        themes = (rows @ self._prototypes.T).argmax(1) + 1
        return np.where(rows.any(1), themes, UNROUTED).astype(np.int64)

    def item_theme(self, item_id: str, category: str | None = None) -> int:
        """Theme of one item."""
        return int(self.item_themes([item_id], [category])[0])

    def category(self, item_id: str) -> str | None:
        """The category that the item had when the router was fitted."""
        return self._categories.get(item_id)

    def _vector(self, item_id: str, category: str | None) -> Vectors | None:
        row: Vectors | None = self._vectors.get(item_id)
        if row is not None:
            return row
        category = category or self._categories.get(item_id)
        row = self._category_vectors.get(category) if category else None
        return row

    def _assign(self, total: Vectors) -> Routed:
        norm = math.sqrt(float(total @ total))
        if norm < 1e-6:
            return Routed(UNROUTED, [0.0] * self.dimensions, [0.0] * self.n_themes)
        embedding = total / norm
        weights = self._prototypes @ embedding
        best = int(weights.argmax())
        theme = best + 1 if weights[best] >= self.tau else UNROUTED
        return Routed(theme, embedding.tolist(), weights.tolist())

    def save(self, folder: Path) -> None:
        """Write ``router.safetensors`` and ``router.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._tensors(), folder / TENSORS)
        document = _Document(
            format=FORMAT,
            version=self.version,
            tau=self.tau,
            items=self._items,
            categories=self._categories,
            category_rows=self._category_rows,
            labels=self.labels,
            config=self._config,
        )
        (folder / DOCUMENT).write_bytes(msgspec.json.encode(document))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            ModelError: a file is missing or damaged, or of another format.
        """
        try:
            tensors = load_file(folder / TENSORS)
            document = msgspec.json.decode((folder / DOCUMENT).read_bytes(), type=_Document)
            router = cls(
                items=document.items,
                table=tensors["table"],
                prototypes=tensors["prototypes"],
                category_rows=document.category_rows,
                category_table=tensors["category_table"],
                categories=document.categories,
                tau=document.tau,
                labels=document.labels,
                config=document.config,
            )
        except (OSError, SafetensorError, msgspec.MsgspecError, KeyError, ValueError) as error:
            raise ModelError(f"cannot read the router in {folder}: {error}; train again with `mos train`") from None
        if document.format != FORMAT or document.version != router.version:
            raise ModelError(
                f"the router in {folder} is damaged or of another format: it says {document.version} (format "
                f"{document.format}), its content is {router.version} (format {FORMAT}); train again with `mos train`"
            )
        return router

    def _tensors(self) -> dict[str, Vectors]:
        return {"table": self._table, "prototypes": self._prototypes, "category_table": self._category_table}

    def _hash(self) -> str:
        digest = hashlib.blake2s()
        for _, tensor in sorted(self._tensors().items()):
            digest.update(str(tensor.shape).encode() + tensor.tobytes())
        digest.update(
            msgspec.json.encode([self._items, self._category_rows, sorted(self._categories.items()), self.tau])
        )
        return f"r-{digest.hexdigest()[:8]}"


def _category_means(names: Sequence[str], table: Vectors, categories: dict[str, str]) -> tuple[list[str], Vectors]:
    """Unit mean of the rows of each category, by name."""
    sums: dict[str, Vectors] = {}
    for name, row in zip(names, table, strict=True):
        category = categories.get(name)
        if category is not None:
            sums[category] = sums[category] + row if category in sums else row.copy()
    kept = sorted(name for name, total in sums.items() if np.linalg.norm(total) > 1e-6)
    rows = [sums[name] / np.linalg.norm(sums[name]) for name in kept]
    return kept, np.array(rows, np.float32).reshape(len(kept), table.shape[1])


def _session_means(events: pl.DataFrame, names: Sequence[str], table: Vectors) -> Vectors:
    """Unit mean row of every session with a known item, ordered by session: float32 (sessions, d_r)."""
    index = pl.DataFrame({"item_id": names, "row": np.arange(len(names))})
    known = events.select("session", "item_id").join(index, on="item_id").sort("session", maintain_order=True)
    starts = known["session"].rle_id().to_numpy()
    sums = np.zeros((int(starts[-1]) + 1 if len(starts) else 0, table.shape[1]), np.float32)
    np.add.at(sums, starts, table[known["row"].to_numpy()])
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray((sums / np.maximum(norms, 1e-12))[norms.ravel() > 1e-6], np.float32)
