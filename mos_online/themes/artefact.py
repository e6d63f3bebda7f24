"""A router on disk: safetensors and JSON, never pickle."""

from __future__ import annotations

from pathlib import Path

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from mos_online.errors import ModelError
from mos_online.themes.router import Router

FORMAT = 2
TENSORS, DOCUMENT = "router.safetensors", "router.json"


class _Document(msgspec.Struct, kw_only=True):
    format: int
    version: str
    epoch: str
    sequence: int
    tau: float
    items: list[str]
    categories: dict[str, str]
    category_rows: list[str]
    labels: list[str]
    config: dict[str, object]


def save_router(router: Router, folder: Path) -> None:
    """Write ``router.safetensors`` and ``router.json``; the folder is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        save_file(router.tensors(), folder / TENSORS)
    except SafetensorError as error:
        raise ModelError(f"{folder / TENSORS} cannot be written: {error}; free some space there") from None
    document = _Document(
        format=FORMAT,
        version=router.version,
        epoch=router.epoch,
        sequence=router.sequence,
        tau=router.tau,
        items=router.items,
        categories=router.categories,
        category_rows=router.category_rows,
        labels=router.labels,
        config=router.config,
    )
    (folder / DOCUMENT).write_bytes(msgspec.json.encode(document))


def load_router(folder: Path) -> Router:
    """Read the router that ``save_router`` wrote.

    Raises:
        ModelError: a file is missing or damaged, or of another format.
    """
    try:
        tensors = load_file(folder / TENSORS)
        document = msgspec.json.decode((folder / DOCUMENT).read_bytes(), type=_Document)
        router = Router(
            items=document.items,
            table=tensors["table"],
            prototypes=tensors["prototypes"],
            category_rows=document.category_rows,
            category_table=tensors["category_table"],
            categories=document.categories,
            tau=document.tau,
            labels=document.labels,
            config=document.config,
            epoch=document.epoch,
            sequence=document.sequence,
        )
    except (OSError, SafetensorError, msgspec.MsgspecError, LookupError, ValueError) as error:
        raise ModelError(f"cannot read the router in {folder}: {error}; train again with `mos train`") from None
    if document.format != FORMAT or document.version != router.version:
        raise ModelError(
            f"the router in {folder} is damaged or of another format: it says {document.version} (format "
            f"{document.format}), its content is {router.version} (format {FORMAT}); train again with `mos train`"
        )
    return router
