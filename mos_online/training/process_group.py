"""A team of processes, over torch.distributed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from mos_online.training.team import Team


class ProcessGroup(Team):
    """The processes of a group of torch.distributed: gloo for processors, nccl for GPUs.

    If a process of the group dies, the methods of the others raise RuntimeError.
    """

    def __init__(self, group: dist.ProcessGroup, device: torch.device) -> None:
        """Be the member that this process is.

        Args:
            group: such as ``torch.distributed.group.WORLD``.
            device: of the model, which the group's backend must be able to read.
        """
        self.rank, self.size = group.rank(), group.size()
        self._group, self._device = group, device

    def first(self, say: Callable[[], Sequence[float]], count: int) -> list[float]:
        """As ``Team.first``; the others wait."""
        said = list(say()) if self.rank == 0 else [0.0] * count
        heard = torch.tensor(said, dtype=torch.float64).to(self._device)
        self._group.broadcast(heard, 0).wait()
        return list(map(float, heard.tolist()))

    def add_up(self, weights: Iterable[Parameter], lost: Tensor) -> Tensor:
        """As ``Team.add_up``, in one message: all gradients, which of them there are, and the loss."""
        weights = list(weights)
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in weights]
        there = torch.tensor([float(one.grad is not None) for one in weights], device=self._device)
        together = torch.cat([*(one.reshape(-1) for one in gradients), there, lost.detach().reshape(1)])
        self._group.allreduce([together]).wait()
        *sums, there, lost = together.split([*(one.numel() for one in weights), len(weights), 1])
        for weight, found, anywhere in zip(weights, sums, there.tolist(), strict=True):
            weight.grad = found.view_as(weight) if anywhere else None
        return lost[0]
