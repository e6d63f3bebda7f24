"""Sequence encoders: anything that turns a sequence of vectors into one vector."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeVar

from torch import Tensor, nn

from mos_online.errors import ModelError

ENTRY_POINTS = "mos_online.backbones"
"""Installed packages offer backbones of their own under this entry point group."""


class Backbone(nn.Module):
    """Base of every backbone: x (B, T, d) float32 and mask (B, T) bool, True where there is an event -> (B, d).

    Events come oldest first and padding comes last. What stands in the padding must not matter, nor what else is in
    the batch; a row without any event gives zeros. A backbone of your own:

    >>> import torch
    >>> @register("mean")
    ... class Mean(Backbone):
    ...     def __init__(self, *, dimensions: int, length: int, dropout: float) -> None:
    ...         super().__init__()
    ...         self.out = nn.Linear(dimensions, dimensions)
    ...     def forward(self, x: Tensor, mask: Tensor) -> Tensor:
    ...         keep = mask.unsqueeze(2)
    ...         total = self.out((x * keep).sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
    ...         return total * mask.any(1, keepdim=True)
    >>> make_backbone("mean", dimensions=4, length=8, dropout=0.0)(torch.ones(2, 3, 4), torch.ones(2, 3).bool()).shape
    torch.Size([2, 4])
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode a batch of sequences."""
        raise NotImplementedError


Factory = Callable[..., Backbone]
"""Called with keyword arguments dimensions (d), length (the most events it will see) and dropout."""

_T = TypeVar("_T", bound=Factory)
_factories: dict[str, Factory] = {}


def register(name: str) -> Callable[[_T], _T]:
    """Make a backbone known under ``name``; a class decorator."""

    def add(factory: _T) -> _T:
        _factories[name] = factory
        return factory

    return add


def backbones() -> list[str]:
    """Names that ``make_backbone`` knows: registered in this process, or offered by an installed package."""
    return sorted(_factories.keys() | {point.name for point in entry_points(group=ENTRY_POINTS)})


def make_backbone(name: str, *, dimensions: int, length: int, dropout: float) -> Backbone:
    """A new backbone.

    Args:
        name: as registered.
        dimensions: d.
        length: the most events in a sequence.
        dropout: probability, inside the backbone.

    Raises:
        ModelError: nobody registered that name.
    """
    factory = _factories.get(name)
    if factory is None:
        for point in entry_points(group=ENTRY_POINTS, name=name):
            factory = point.load()
    if factory is None:
        raise ModelError(
            f"unknown backbone {name!r}; there are: {', '.join(backbones())}. A backbone of your own must be registered "
            f"(mos_online.model.register) or offered by an installed package (entry point group {ENTRY_POINTS!r})"
        )
    return factory(dimensions=dimensions, length=length, dropout=dropout)
