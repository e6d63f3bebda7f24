"""Where a model is fitted: on the processor or on a GPU."""

from __future__ import annotations

import torch

from mos_online.errors import ModelError


def choose_device(name: str) -> torch.device:
    """The device of this name; ``auto`` is a GPU if torch sees one, else the processor.

    Args:
        name: ``auto``, or any name that torch knows, such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ModelError: torch does not know the name, or has no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"no device {name!r} here ({reason}); choose auto, cpu or cuda") from None
    return device
