"""What the worker reads of a model: all of it or an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.candidates.sizes import Sizes
from mos_online.errors import ModelError
from mos_online.model import MoSConfig
from mos_online.registry import load_config
from mos_online.training import TrainConfig
from mos_online.users.ring_sizes import RingSizes

WHOLE: dict[str, object] = {
    "format": 4,
    "version": "m-1",
    "router_version": "r-1",
    "recent": 50,
    "theme_ring": 20,
    "half_life_ms": 1000.0,
    "co_click_half_life_ms": 1000.0,
}


def test_the_sizes_of_the_model_are_those_of_the_profiles(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(WHOLE | {"recent": 7, "theme_ring": 3}))
    assert load_config(tmp_path).sizes == RingSizes(recent=7, theme=3)


@pytest.mark.parametrize("key", ["recent", "theme_ring", "half_life_ms", "co_click_half_life_ms"])
def test_a_missing_or_impossible_key_is_an_error(tmp_path: Path, key: str) -> None:
    for content in ({name: value for name, value in WHOLE.items() if name != key}, WHOLE | {key: 0}):
        (tmp_path / "config.json").write_text(json.dumps(content))
        with pytest.raises(ModelError, match=rf"{key}.*mos train"):
            load_config(tmp_path)


def test_everybody_has_the_same_default_sizes() -> None:
    model = MoSConfig(items=1, themes=1)
    for made in (model, TrainConfig(), Sizes()):
        assert (made.recent, made.short, made.theme_ring) == (50, 10, 20)
    assert RingSizes() == RingSizes(recent=50, theme=20)
