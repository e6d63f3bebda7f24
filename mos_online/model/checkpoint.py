"""A model on disk: safetensors and JSON, never pickle."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mos_online.errors import ModelError
from mos_online.model.catalogued import NONE_LISTED, Catalogued
from mos_online.model.config import MoSConfig
from mos_online.model.mos import MoS
from mos_online.themes import Router, load_router, save_router

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "card.md"
CATALOGUED = "catalogued"
"""The tensor of vectors of the items that have no row yet."""

FORMAT = 11


class _Document(msgspec.Struct, kw_only=True):
    """``config.json``. The stream worker reads its first part alone, so sizes that it needs are repeated there."""

    format: int
    version: str
    router_version: str
    recent: int
    theme_ring: int
    half_life_ms: float
    co_click_half_life_ms: float
    model: dict[str, Any]
    items: list[str]
    categories: list[str]
    popular: list[str]
    catalogued: list[str]
    catalogued_categories: list[str | None]
    catalogued_share: float
    training: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelCheckpoint:
    """A trained model and all that it needs to serve.

    Attributes:
        model: the weights, with the catalogue's buffers.
        router: the router of sessions and items to themes.
        items, categories: names of the rows 1, 2, ... of the embeddings.
        popular: the most popular items of the training log, which are the last fallback source.
        half_life_ms, co_click_half_life_ms: the half-lives of item popularity and of co-clicks.
        training: what was done and measured; it goes into the model card.
        catalogued: items that have no row yet, because nobody has clicked them.
        stated_version: the version that the files of a stored checkpoint state; spare rows do not change it.
    """

    model: MoS
    router: Router
    items: list[str]
    categories: list[str]
    popular: list[str]
    half_life_ms: float
    co_click_half_life_ms: float
    training: dict[str, Any]
    catalogued: Catalogued = NONE_LISTED
    stated_version: str | None = None

    @property
    def version(self) -> str:
        """Short hash of the weights, the catalogue and the router, e.g. ``m-3f2a9c1b``."""
        if self.stated_version is not None:
            return self.stated_version
        digest = hashlib.blake2s(self.router.version.encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        about = self.catalogued
        digest.update(about.vectors.contiguous().numpy().tobytes())
        digest.update(msgspec.json.encode([self.items, self.categories, about.items, about.categories, about.share]))
        return f"m-{digest.hexdigest()[:8]}"

    def save_pretrained(self, folder: Path, card: str) -> None:
        """Write the model, the router and the model card (Markdown)."""
        folder.mkdir(parents=True, exist_ok=True)
        config = self.model.config
        document = _Document(
            format=FORMAT,
            version=self.version,
            router_version=self.router.version,
            recent=config.recent,
            theme_ring=config.theme_ring,
            half_life_ms=self.half_life_ms,
            co_click_half_life_ms=self.co_click_half_life_ms,
            model=asdict(config),
            items=self.items,
            categories=self.categories,
            popular=self.popular,
            catalogued=self.catalogued.items,
            catalogued_categories=self.catalogued.categories,
            catalogued_share=self.catalogued.share,
            training=self.training,
        )
        weights = {name: tensor.contiguous() for name, tensor in self.model.state_dict().items()}
        weights[CATALOGUED] = self.catalogued.vectors.contiguous()
        try:
            save_file(weights, folder / WEIGHTS)
        except SafetensorError as error:
            raise ModelError(f"{folder / WEIGHTS} cannot be written: {error}; free some space there") from None
        save_router(self.router, folder)
        (folder / CONFIG).write_bytes(msgspec.json.format(msgspec.json.encode(document)))
        (folder / CARD).write_text(card)

    @classmethod
    def from_pretrained(cls, folder: Path, spare: int | None = None) -> ModelCheckpoint:
        """Read the model that ``save_pretrained`` wrote.

        Args:
            folder: a version's folder in the registry.
            spare: how many rows to add for items that are newer than the model, besides one for each item that its
                catalogue lists; they are zero and untrained. None: no rows are added.

        Raises:
            ModelError: a file is missing or damaged, or of another format.
        """
        document, weights = _read(folder)
        router = load_router(folder)
        if router.version != document.router_version:
            raise ModelError(
                f"the model in {folder} was trained with router {document.router_version}, the folder holds "
                f"{router.version}: its files are of different versions; train again with `mos train`"
            )
        catalogued = Catalogued(
            items=document.catalogued,
            categories=document.catalogued_categories,
            vectors=weights.pop(CATALOGUED),
            share=document.catalogued_share,
        )
        more = 0 if spare is None else spare + len(catalogued.items)
        _add_rows(weights, more)
        try:
            model = MoS(MoSConfig(**{**document.model, "items": len(document.items) + more}))
            model.load_state_dict(weights)
        except (TypeError, RuntimeError) as error:
            raise ModelError(
                f"the weights in {folder} do not fit its config.json, of {len(document.items)} items: {error}; train "
                "again with `mos train`"
            ) from None
        return cls(
            model=model.eval(),
            router=router,
            items=document.items,
            categories=document.categories,
            popular=document.popular,
            catalogued=catalogued,
            half_life_ms=document.half_life_ms,
            co_click_half_life_ms=document.co_click_half_life_ms,
            training=document.training,
            stated_version=document.version,
        )


def _read(folder: Path) -> tuple[_Document, dict[str, Tensor]]:
    """The document and the weights of a version's folder, each checked by itself; raises ``ModelError``."""
    try:
        document = msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Document)
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, msgspec.MsgspecError) as error:
        raise ModelError(f"cannot read the model in {folder}: {error}; train again with `mos train`") from None
    if document.format != FORMAT:
        raise ModelError(
            f"the model in {folder} has format {document.format}, this version reads {FORMAT}: train again"
        )
    missing = sorted({field.name for field in fields(MoSConfig)} - document.model.keys())
    if missing:
        raise ModelError(f"{folder / CONFIG} does not say {', '.join(missing)} of its model; train again")
    if CATALOGUED not in weights:
        raise ModelError(f"{folder / WEIGHTS} lacks `{CATALOGUED}`, vectors of items; train again with `mos train`")
    diverged = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if diverged:
        raise ModelError(
            f"the model in {folder} cannot rank: {diverged[0]} holds values that are no finite numbers; train "
            f"again with `mos train`"
        )
    if fault := _contradiction(document, weights):
        raise ModelError(f"{folder / CONFIG} contradicts itself: {fault}; train again with `mos train`")
    return document, weights


def _contradiction(document: _Document, weights: dict[str, Tensor]) -> str | None:
    """What in a document cannot be true; None if all may be."""
    if (twice := len(document.items) - len(set(document.items))) > 0:
        return f"{twice} of {len(document.items)} items stand in it twice"
    vectors, names, categories = len(weights[CATALOGUED]), len(document.catalogued), len(document.catalogued_categories)
    if not vectors == names == categories:
        return f"{names} catalogued items with {categories} categories and {vectors} vectors"
    for name in ("recent", "theme_ring"):
        if (stated := getattr(document, name)) != (own := document.model[name]):
            return f"{name} is {stated} for the worker and {own} for the model"
    for name in ("half_life_ms", "co_click_half_life_ms"):
        if not 0 < (value := getattr(document, name)) < math.inf:
            return f"{name} is {value}, and must be above 0"
    return None


def _add_rows(weights: dict[str, Tensor], spare: int) -> None:
    """Add ``spare`` rows of zeros to each tensor that has a row per item."""
    for name in ("item.weight", "item_category", "item_theme", "item_known", "item_table", "content.vectors"):
        if name in weights:
            rows = weights[name]
            weights[name] = torch.cat([rows, rows.new_zeros(spare, *rows.shape[1:])])
