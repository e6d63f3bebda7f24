"""A model that gives no numbers is noticed before it serves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors.torch import load_file, save_file

from mos_online.contracts import FallbackReason, RankedItem
from mos_online.errors import ModelError
from mos_online.model.checkpoint import CONFIG, WEIGHTS
from mos_online.recommend.probe import ITEMS, check_model, require_finite_scores
from mos_online.recommend.query import Query, Ranking
from simulator.population import SyntheticConfig, populate
from tests.simulator.loop.small_model import small_checkpoint


class Model:
    """Answers with these scores, and popularity to who has no history."""

    model_version = "m-1"

    def __init__(
        self,
        scores: list[float],
        *,
        popular: int = ITEMS,
        fallback: FallbackReason | None = None,
        ahead: list[float] | None = None,
    ) -> None:
        self._scores, self._popular, self._fallback = scores, popular, fallback
        self._ahead = scores if ahead is None else ahead

    def recommend(self, queries: list[Query]) -> list[Ranking]:
        return [self._ranking(query) for query in queries]

    def _ranking(self, query: Query) -> Ranking:
        known = bool(query.events)
        scores = [0.0] * self._popular if not known else self._ahead if query.ahead else self._scores
        items = [RankedItem(item_id=f"i{n}", score=score, theme=1) for n, score in enumerate(scores[: query.k])]
        return Ranking(items=items, themes=[], fallback=self._fallback if known else "unknown_user", candidates=1)


def test_numbers_are_enough() -> None:
    require_finite_scores(Model([0.5] * 100))
    require_finite_scores(Model([0.5] * 3, popular=3))


@pytest.mark.parametrize(
    "model",
    [
        Model([0.5] * 19 + [float("inf")]),
        Model([float("nan")] * 20),
        Model([0.5] * 19),
        Model([]),
        Model([0.5] * 20, fallback="no_known_items"),
        Model([0.5], popular=0),
        Model([0.5] * 20, ahead=[float("nan")] * 20),
    ],
    ids=["infinite", "no number", "one is left out", "none", "not the model", "nothing popular", "no number ahead"],
)
def test_everything_else_is_refused(model: Model) -> None:
    with pytest.raises(ModelError, match=r"m-1 does not rank.*mos train"):
        require_finite_scores(model)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    population = populate(SyntheticConfig.parse("users=30,themes=4,items_per_theme=6,seed=1"))
    small_checkpoint(population, spare=0).save_pretrained(folder, "# a card")
    check_model(folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"items": lambda items: items[1:]}, "do not fit its config.json, of 23 items"),
        ({"items": lambda items: [*items[1:], items[1]]}, "1 of 24 items stand in it twice"),
        ({"catalogued": lambda _: ["new"]}, "1 catalogued items with 0 categories and 0 vectors"),
        ({"recent": lambda _: 3}, "recent is 3 for the worker and 50 for the model"),
        ({"half_life_ms": lambda _: 0.0}, "half_life_ms is 0.0"),
        ({"item_theme": lambda rows: rows.fill_(9)}, "cannot serve: IndexError"),
        ({"item.weight": lambda rows: rows.fill_(float("nan"))}, "no finite numbers"),
        ({"ahead.weights": lambda rows: rows.fill_(float("nan"))}, "no finite numbers|does not rank"),
    ],
)
def test_a_model_whose_parts_do_not_belong_together_cannot_serve(
    saved: Path, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    folder = shutil.copytree(saved, tmp_path / "model")
    document, weights = msgspec.json.decode((folder / CONFIG).read_bytes()), load_file(folder / WEIGHTS)
    for name, change in changes.items():
        (document if name in document else weights)[name] = change(document.get(name, weights.get(name)))
    (folder / CONFIG).write_bytes(msgspec.json.encode(document))
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ModelError, match=rf"(?s){says}.*train again with `mos train`"):
        check_model(folder)
