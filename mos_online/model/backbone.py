"""The contract of the sequence encoders that MoS can be built on, and the register of those that exist."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mos_online.errors import ModelError


class Backbone(nn.Module):
    """The base of all sequence encoders.

    The output of a row must not depend on what is in the padding, on the other rows of the batch, or on the other
    candidates that are asked about.

    Attributes:
        target_aware: whether the state depends on the candidate.
        penalty: an auxiliary loss of the last forward in training, such as the balance of a mixture's experts.
    """

    target_aware: bool = False
    penalty: Tensor | None = None

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Encode B sequences of events.

        Args:
            events: float32 (B, T, d), oldest event first, padding last.
            mask: bool (B, T), True where there is an event.
            target: float32 (B, C, d), the rows of the candidates; read only where ``target_aware``.

        Returns:
            float32 (B, d), zeros for a row without events. Where ``target_aware``, float32 (B, C, d): the state for
            each candidate.
        """
        raise NotImplementedError


BACKBONES: dict[str, type[Backbone]] = {}
"""The backbone classes by name. To add one, write a subclass of ``Backbone`` and decorate it with ``backbone``."""


def backbone(name: str) -> Callable[[type[Backbone]], type[Backbone]]:
    """Make a decorator that registers a backbone class under ``name``.

    >>> @backbone("mean")
    ... class Mean(Backbone):
    ...     def forward(self, events, mask, target=None):
    ...         return (events * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    >>> build_backbone("mean", 8, 50)(torch.ones(1, 3, 8), torch.tensor([[True, True, False]])).sum().item()
    8.0
    >>> del BACKBONES["mean"]
    """

    def register(cls: type[Backbone]) -> type[Backbone]:
        BACKBONES[name] = cls
        return cls

    return register


def build_backbone(name: str, width: int, longest: int) -> Backbone:
    """Construct a backbone by its registered name.

    Args:
        name: a key of ``BACKBONES``.
        width: d, the length of an event's row.
        longest: the largest number of events in a sequence.

    Raises:
        ModelError: no backbone has that name.
    """
    return backbone_named(name)(width, longest)


def backbone_named(name: str) -> type[Backbone]:
    """Find a backbone's class.

    Raises:
        ModelError: no backbone has that name.
    """
    if name not in BACKBONES:
        raise ModelError(f"unknown backbone {name!r}; there are: {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name]


class Resized(Backbone):
    """A backbone of another width between two projections, so that numbers of parameters can be made equal.

    The projections start as each other's inverse, as far as the width allows: an untrained encoder points as well to
    what goes with the last item as one without them. Candidates go through the same projection as events.

    Raises:
        ModelError: no backbone has that name, or it cannot be ``hidden`` wide.
    """

    def __init__(self, name: str, width: int, longest: int, hidden: int) -> None:
        super().__init__(width, longest)
        self.inner = build_backbone(name, hidden, longest)
        self.target_aware = self.inner.target_aware
        self.narrow, self.widen = nn.Linear(width, hidden), nn.Linear(hidden, width)
        nn.init.orthogonal_(self.narrow.weight)
        with torch.no_grad():
            self.widen.weight.copy_(self.narrow.weight.T)
            self.narrow.bias.zero_()
            self.widen.bias.zero_()

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Encode events (B, T, d) with the inner backbone, between the two projections; see ``Backbone.forward``."""
        inner = self.inner(self.narrow(events), mask, None if target is None else self.narrow(target))
        self.penalty = self.inner.penalty
        known = mask.any(1).view(-1, *(1 for _ in inner.shape[1:]))
        state: Tensor = self.widen(inner) * known
        return state


def spread(packed: Tensor, at: Tensor, mask: Tensor) -> Tensor:
    """Put packed rows (N, d) in their places ``at``, int64 (N,), among those of a mask (B, T): (B, T, d), else zero."""
    padded = packed.new_zeros(mask.numel(), packed.shape[1])
    return padded.index_copy(0, at, packed).view(*mask.shape, packed.shape[1])


def last_event(states: Tensor, mask: Tensor) -> Tensor:
    """The state at each row's last event: (B, T, d), (B, T) -> (B, d); zeros for a row without events."""
    count = mask.sum(1)
    newest = at_place(states, (count - 1).clamp(min=0))
    return newest * (count > 0).unsqueeze(1)


def at_place(rows: Tensor, place: Tensor) -> Tensor:
    """One place of each row: (B, T, ...) and int64 (B,) -> (B, ...)."""
    return rows[torch.arange(len(rows), device=rows.device), place]


def pooled(logits: Tensor, events: Tensor, mask: Tensor) -> Tensor:
    """Events averaged by a softmax of logits (B, C, T) over those that there are: (B, C, d); zeros without any."""
    some = mask.any(1).view(-1, 1, 1)
    weights = logits.masked_fill(~mask.unsqueeze(1) & some, -torch.inf).softmax(2)
    return weights.masked_fill(~some, 0.0) @ events


def from_newest(mask: Tensor, longest: int) -> Tensor:
    """Each event's place counted from its row's newest, which is 0: (B, T) -> int64 (B, T), at most ``longest`` - 1."""
    return (mask.sum(1, keepdim=True) - 1 - torch.arange(mask.shape[1], device=mask.device)).clamp(0, longest - 1)


def check_heads(width: int, heads: int, who: str) -> None:
    """Check that attention can split rows of ``width`` evenly among its heads.

    Args:
        width: d, the length of a row.
        heads: the number of heads.
        who: the name of the backbone, for the message.

    Raises:
        ModelError: the width is no multiple of the heads.
    """
    if width % heads:
        raise ModelError(f"{who} of width {width} cannot be split among {heads} heads: take a multiple of {heads}")


def candidates_of(target: Tensor | None, who: str) -> Tensor:
    """Return the candidates' rows, which a target-aware backbone needs.

    Args:
        target: float32 (B, C, d), or None if the caller gave none.
        who: the name of the backbone, for the message.

    Raises:
        ModelError: ``target`` is None.
    """
    if target is None:
        raise ModelError(f"{who} reads the candidate: pass `target`, float32 (B, C, d)")
    return target
