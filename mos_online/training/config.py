"""How a model is made."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.errors import ModelError
from mos_online.model import BACKBONES, MoSConfig
from mos_online.model.backbone import backbone_named
from mos_online.training.fit import Budget
from mos_online.training.starts import TRIAL

EXAMPLES_A_MINUTE = 60_000
"""Examples that two cores can learn from several times in a minute. More would be learned once, and less well."""

FEWEST_VALIDATED = 20


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is made.

    Attributes:
        backbone, themes, width, recent, short, theme_ring: of the model, see ``MoSConfig``.
        longest_log: at most so many of the newest events are used at all.
        examples: at most so many of the newest events are predicted, and at most half of all: themes are learned from
            the ones before. None: ``EXAMPLES_A_MINUTE`` for each minute.
        validation: share of those, the newest, that is never trained on before early stopping is done. What is mixed in
            is learned on it, beside a model that is as old as the share takes: one that serves is not new, either.
        validated: about so many of them are looked at, at most, spread over them all.
        ahead: at most about so many first clicks of next sessions are looked at, asked for when the last one closed;
            ``fresh_ahead`` of them share one view, since they are far apart.
        step: targets of one step of training.
        moment: targets that share one view of the popularity; in validation ``fresh`` of them, since a served model's
            view is fresh too.
        watched: at most about so many validation positions are looked at after each pass.
        minutes: time budget of the fitting, with the trials of both starts and the passes over all examples;
            epochs, patience: see ``Budget``.
        rate: learning rate.
        threads: of torch.
        device: where the model is fitted, see ``choose_device``. It does not change what is stored.
        seed: of everything random.
    """

    backbone: str = "pooling"
    themes: int = 12
    width: int = 48
    recent: int = MoSConfig.recent
    short: int = MoSConfig.short
    theme_ring: int = MoSConfig.theme_ring
    longest_log: int = 2_000_000
    examples: int | None = None
    validation: float = 0.1
    validated: int = 10_000
    ahead: int = 4_000
    fresh_ahead: int = 4
    step: int = 1024
    moment: int = 128
    fresh: int = 16
    watched: int = 3000
    minutes: float = 3.0
    epochs: int = 6
    patience: int = 2
    rate: float = 5e-3
    threads: int = 2
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if backbone_named(self.backbone).target_aware:
            whole = ", ".join(name for name, cls in sorted(BACKBONES.items()) if not cls.target_aware)
            raise ModelError(
                f"{self.backbone} reads the candidate: it scores pairs, and a service has to rank a whole catalogue; "
                f"choose one of {whole}"
            )

    @property
    def most_examples(self) -> int:
        """How many of the newest events are predicted, at most."""
        return self.examples if self.examples is not None else max(int(EXAMPLES_A_MINUTE * self.minutes), 1)

    def held_out(self, examples: int) -> int:
        """How many of so many examples are for validation."""
        return max(int(examples * self.validation), FEWEST_VALIDATED)

    @property
    def budget(self) -> Budget:
        """Passes, learning rate and time of one schedule.

        The start that is given up takes its trial's share of it, and going on with all examples at most a half.
        """
        return Budget(
            seconds=60 * self.minutes / (TRIAL + 1 + 1 / 2),
            epochs=self.epochs,
            patience=self.patience,
            rate=self.rate,
            moments=max(self.step // self.moment, 1),
        )
