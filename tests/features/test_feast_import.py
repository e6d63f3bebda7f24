"""What is left out when Feast is imported."""

from __future__ import annotations

import feast
import torch
import typeguard
from feast.torch_wrapper import get_torch


def test_feast_is_imported_without_checks_of_its_types_and_has_torch_when_it_asks() -> None:
    for checked in (feast.FeatureView.__init__, feast.FeatureView.from_proto, feast.Field.__init__):
        assert not any("typeguard" in str(name) for name in checked.__code__.co_names), checked
    assert get_torch() is torch


def test_others_can_have_their_types_checked() -> None:
    assert typeguard.typechecked.__module__.startswith("typeguard")
