"""Mixtures of experts that all read the whole sequence, each in place of one backbone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mos_online.errors import ModelError
from mos_online.model.backbone import Backbone, last_event

Make = Callable[[], Backbone]


class Mixture(Backbone):
    """u = sum_e w_e(user) Enc_e(events): E experts of the full sequence, weighed by a gate on the user.

    The gate reads the mean of the events and the last one, never the candidate. Subclasses say how it weighs.

    Attributes:
        activated: experts with a weight above zero, per user, at inference; all ``experts`` are computed here.
    """

    def __init__(self, make: Make, width: int, experts: int = 4) -> None:
        """``make`` builds one expert of rows of ``width`` d."""
        super().__init__(width, 0)
        self.experts = nn.ModuleList([make() for _ in range(experts)])
        self.target_aware = bool(self.experts[0].target_aware)
        self.gate = nn.Linear(2 * width, experts)
        self.activated = float(experts)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return what one expert returns: (B, d) without candidates, (B, C, d) with ``target`` (B, C, d)."""
        states = torch.stack([expert(events, mask, target) for expert in self.experts], 1)
        return mixed(self.weights(self.gate(gate_input(events, mask))), states)

    def weights(self, logits: Tensor) -> Tensor:
        """Logits (B, E) -> weights (B, E) that sum to one."""
        raise NotImplementedError


def gate_input(events: Tensor, mask: Tensor) -> Tensor:
    """What a gate reads: mean and last of the events, (B, 2d)."""
    if events.shape[1] == 0:
        return events.new_zeros(len(events), 2 * events.shape[2])
    kept = events.masked_fill(~mask.unsqueeze(2), 0.0)
    mean = kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.cat([mean, last_event(kept, mask)], 1)


def mixed(weights: Tensor, states: Tensor) -> Tensor:
    """Weights (B, E) times states (B, E, ...), summed over E."""
    return (weights.view(*weights.shape, *(1 for _ in states.shape[2:])) * states).sum(1)


class MMoE(Mixture):
    """Softmax over all experts (Ma et al., KDD 2018), with one task."""

    def weights(self, logits: Tensor) -> Tensor:
        """Weights of a softmax over the experts."""
        return logits.softmax(1)


class PLE(Backbone):
    """Progressive layered extraction (Tang et al., RecSys 2020), with one task, on sequence encoders.

    First level: shared and specific experts read the sequence; one gate mixes all of them for the task, another for
    the shared stream. Second level: a small network of each stream, mixed by a gate on the task's stream.
    """

    def __init__(self, make: Make, width: int, experts: int = 4) -> None:
        """With one task, both gates of the first level read all ``experts``: none is the task's or shared by itself."""
        super().__init__(width, 0)
        self.experts = nn.ModuleList([make() for _ in range(experts)])
        self.target_aware = bool(self.experts[0].target_aware)
        self.task_gate, self.shared_gate = nn.Linear(2 * width, experts), nn.Linear(2 * width, experts)
        self.task, self.shared = nn.Linear(width, width), nn.Linear(width, width)
        self.last_gate = nn.Linear(width, 2)
        self.activated = float(experts)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return what one expert returns: (B, d) without candidates, (B, C, d) with ``target`` (B, C, d)."""
        states = torch.stack([expert(events, mask, target) for expert in self.experts], 1)
        read = gate_input(events, mask)
        task = mixed(self.task_gate(read).softmax(1), states)
        shared = mixed(self.shared_gate(read).softmax(1), states)
        weight = self.last_gate(task).softmax(-1)
        second = weight[..., :1] * torch.relu(self.task(task)) + weight[..., 1:] * torch.relu(self.shared(shared))
        known = mask.any(1).view(-1, *(1 for _ in task.shape[1:]))
        out: Tensor = (task + second) * known
        return out


class GShard(Mixture):
    """Noisy top-2 gate with a loss that balances the experts (Shazeer et al. 2017; Lepikhin et al., ICLR 2021)."""

    def __init__(self, make: Make, width: int, experts: int = 4, balance: float = 0.01) -> None:
        super().__init__(make, width, experts)
        self.balance = balance
        self.activated = float(min(2, experts))

    def weights(self, logits: Tensor) -> Tensor:
        """Softmax over the two best; in training with noise."""
        experts = logits.shape[1]
        noisy = logits + torch.randn_like(logits) / experts if self.training else logits
        best = noisy.topk(min(2, experts), 1)
        self.penalty = None
        if self.training:
            first = torch.zeros_like(logits).scatter(1, best.indices[:, :1], 1.0).mean(0)
            self.penalty = self.balance * experts * (first * logits.softmax(1).mean(0)).sum()
        return torch.zeros_like(logits).scatter(1, best.indices, best.values.softmax(1))


class DSelectK(Backbone):
    """Smooth selection of k experts by binary codes (Hazimeh et al., NeurIPS 2021), k = 2, codes from the user.

    Each of the k selectors names an expert in binary; a smooth step makes every bit differentiable and, once it is
    saturated, exactly zero or one. The penalty pulls the selectors towards one expert each (entropy).
    """

    def __init__(
        self, make: Make, width: int, experts: int = 4, k: int = 2, gamma: float = 1.0, entropy: float = 0.01
    ) -> None:
        """A bit is saturated beyond +-``gamma`` / 2.

        Raises:
            ModelError: ``experts`` is no power of two from 2 on.
        """
        super().__init__(width, 0)
        bits = (experts - 1).bit_length()
        if experts < 2 or experts != 2**bits:
            raise ModelError(f"DSelect-k codes experts in binary: got {experts} experts, pass 2, 4, 8 or so")
        self.experts = nn.ModuleList([make() for _ in range(experts)])
        self.target_aware = bool(self.experts[0].target_aware)
        self.k, self.bits, self.gamma, self.entropy = k, bits, gamma, entropy
        self.codes, self.choice = nn.Linear(2 * width, k * bits), nn.Linear(2 * width, k)
        nn.init.uniform_(self.codes.bias, -gamma / 100, gamma / 100)
        names = (torch.arange(experts).unsqueeze(1) >> torch.arange(bits)) & 1
        self.register_buffer("names", names.float())
        self.names: Tensor
        self.activated = float(k)

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return what one expert returns: (B, d) without candidates, (B, C, d) with ``target`` (B, C, d)."""
        states = torch.stack([expert(events, mask, target) for expert in self.experts], 1)
        read = gate_input(events, mask)
        return mixed(self.weights(self.codes(read), self.choice(read)), states)

    def weights(self, codes: Tensor, choice: Tensor) -> Tensor:
        """Codes (B, k * bits) and choices (B, k) -> weights (B, E) that sum to one."""
        step = smooth_step(codes.view(-1, self.k, 1, self.bits), self.gamma)
        each = (self.names * step + (1 - self.names) * (1 - step)).prod(3)
        self.penalty = None
        if self.training:
            self.penalty = -self.entropy * (each * (each + 1e-6).log()).sum(2).mean()
        return (choice.softmax(1).unsqueeze(2) * each).sum(1)


def smooth_step(x: Tensor, gamma: float) -> Tensor:
    """0 up to -gamma/2, 1 from gamma/2 on, a cubic between (Hazimeh et al., eq. 4).

    >>> smooth_step(torch.tensor([-1.0, -0.5, 0.0, 0.5]), 1.0).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    x = x.clamp(-gamma / 2, gamma / 2)
    return -2 / gamma**3 * x**3 + 3 / (2 * gamma) * x + 0.5


class ExpertChoice(Mixture):
    """Experts choose the rows they read (Zhou et al., NeurIPS 2022), ``capacity`` experts per row on average.

    In training each expert takes the B * capacity / E rows of the batch that it scores highest. That depends on who
    else is in the batch, so it cannot be served: at inference a row is taken where its score passes the expert's
    threshold, a running mean of the lowest score taken in training. A row that nobody takes goes to its best expert.
    """

    def __init__(self, make: Make, width: int, experts: int = 4, capacity: float = 2.0, memory: float = 0.95) -> None:
        super().__init__(make, width, experts)
        self.capacity, self.memory = capacity, memory
        self.register_buffer("threshold", torch.zeros(experts))
        self.threshold: Tensor
        self.activated = min(capacity, float(experts))

    def weights(self, logits: Tensor) -> Tensor:
        """The scores of the experts that take the row, scaled to sum to one."""
        scores = logits.softmax(1)
        if self.training:
            rows, experts = scores.shape
            taken = max(1, min(rows, round(rows * self.capacity / experts)))
            best_rows = scores.topk(taken, 0)
            least = best_rows.values[-1]
            # By index: rows that are alike must not be taken beyond the capacity.
            chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(0, best_rows.indices, True)
            with torch.no_grad():
                started = self.threshold.any()
                mean = self.memory * self.threshold + (1 - self.memory) * least
                self.threshold.copy_(torch.where(started, mean, least))
        else:
            chosen = scores >= self.threshold
        best = torch.zeros_like(chosen).scatter(1, scores.argmax(1, keepdim=True), True)
        kept = scores * torch.where(chosen.any(1, keepdim=True), chosen, best)
        return kept / kept.sum(1, keepdim=True)
