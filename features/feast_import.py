"""Imports Feast without two things that it does at that moment and that nobody here needs."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import TypeVar

Decorated = TypeVar("Decorated")


def import_feast() -> None:
    """Import Feast, which then takes a third of the processor time and no torch.

    * Feast has typeguard check the types of its arguments, for which each process would parse and compile many of
      Feast's sources anew. Mypy has checked our calls, and pydantic checks what is stored.
    * Feast imports torch for tensors, which we never ask it for; it does so now when somebody asks. A worker that has
      no model needs no torch: that saves 2 s of processor time and 200 MB.

    If Feast has been imported already, nothing happens.
    """
    if "feast" in sys.modules:
        return
    wrapper = ModuleType("feast.torch_wrapper", "Torch, imported when it is asked for.")
    wrapper.__dict__["get_torch"] = partial(importlib.import_module, "torch")
    sys.modules[wrapper.__name__] = wrapper
    if find_spec("typeguard") is None:
        importlib.import_module("feast")
        return
    import typeguard  # noqa: PLC0415 - Feast's

    names = vars(typeguard)
    decorator, names["typechecked"] = names["typechecked"], _unchecked
    try:
        importlib.import_module("feast")
    finally:
        names["typechecked"] = decorator


def _unchecked(decorated: Decorated) -> Decorated:
    return decorated
