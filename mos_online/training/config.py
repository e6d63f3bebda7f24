"""How a model is made."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.errors import ModelError
from mos_online.model import BACKBONES, MoSConfig
from mos_online.training.fit import Budget


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is made.

    Attributes:
        backbone, themes, width, recent, short, theme_ring: of the model, see ``MoSConfig``.
        longest_log: at most so many of the newest events are used at all.
        examples: at most so many of the newest events are predicted; themes are learned from the ones before.
        validation: share of those, the newest, that early stopping looks at; never trained on before it is done.
        step: targets of one step of training.
        moment: targets that share one view of the popularity; in validation ``fresh`` of them, since a served model's
            view is fresh too.
        watched: at most about so many validation positions are looked at after each pass.
        minutes: time budget of the fitting; epochs, patience: see ``Budget``.
        rate: learning rate.
        threads: of torch.
        device: where the model is fitted, see ``choose_device``. It does not change what is stored.
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
    step: int = 1024
    moment: int = 128
    fresh: int = 16
    watched: int = 3000
    minutes: float = 1.0
    epochs: int = 12
    patience: int = 2
    rate: float = 3e-3
    threads: int = 2
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.backbone in BACKBONES and BACKBONES[self.backbone].target_aware:
            whole = ", ".join(name for name, cls in sorted(BACKBONES.items()) if not cls.target_aware)
            raise ModelError(
                f"{self.backbone} reads the candidate: it scores pairs, and a service has to rank a whole catalogue; "
                f"choose one of {whole}"
            )

    @property
    def budget(self) -> Budget:
        """Time, passes and learning rate of the fitting."""
        return Budget(
            seconds=60 * self.minutes,
            epochs=self.epochs,
            patience=self.patience,
            rate=self.rate,
            moments=max(self.step // self.moment, 1),
        )
