"""What is popular at the start of a session and inside one, from the log to the list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model import MoS
from mos_online.model.co_clicks import FACTS, evidence_of
from mos_online.model.mixing import BY_ALL, BY_PLACE, NOT, SOURCES, Calibration, MixingAhead
from mos_online.model.mixture_weights import losses_of
from mos_online.sessions import SessionConfig
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.mixing import learn_mixing, said_of
from mos_online.training.moments import moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.ranking import CatalogueRanking, in_chunks
from mos_online.training.sequence_log import SequenceLog

GAP = 1000
RULES = CoClickRules(half_life_ms=1e9, window_ms=GAP)
NO_ITEMS = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String, "category": pl.String})
VISITS, LENGTH, USERS, OTHERS = 800, 3, 40, 20


def visits() -> ClickLog:
    """A visit begins with the cover and goes on with the story, which gets twice as many clicks; some is anything."""
    random = np.random.default_rng(0)
    rows = []
    for visit in range(VISITS):
        for step in range(LENGTH):
            item = "story" if step else "cover"
            if random.random() < 0.1:
                item = f"other {random.integers(OTHERS)}"
            rows.append((f"u{visit % USERS}", item, f"{visit}-{step}", 50 * visit + step, "click"))
    frame = pl.DataFrame(rows, orient="row", schema=["user_id", "item_id", "event_id", "timestamp", "event_type"])
    return ClickLog.cut(frame, NO_ITEMS, SessionConfig(gap=GAP, min_timestamp=0))


def examples() -> tuple[MoS, ExampleLog]:
    """A model that knows nothing, and the newest half of the log."""
    log = visits()
    catalogue = Catalogue.of_log(log)
    torch.manual_seed(0)
    model = MoS(backbone="pooling", items=len(catalogue.items), themes=1, width=8, gap_ms=GAP).eval()
    model.item_known.fill_(1)
    torch.nn.init.zeros_(model.prior)
    walk = moments(log, catalogue, log.order[len(log.order) // 2 :], size=6, half_life_ms=20_000)
    made = list(with_neighbours(walk, log, catalogue, RULES))
    sequences = SequenceLog(log.events, catalogue, np.zeros(len(log.events), np.int64), 1)
    return model, ExampleLog(moments=made, log=sequences, config=model.config)


def gains(model: MoS, data: ExampleLog) -> tuple[Tensor, Tensor]:
    """NDCG@10 of each example, and whether it is at the start of a session."""
    ranking, found, starts = CatalogueRanking(model), [], []
    with torch.inference_mode():
        for chunk in in_chunks(data):
            scores, unknown = ranking.scores(chunk)
            found.append(ranking.rank(chunk, scores, unknown, torch.zeros(model.config.items + 1)).gains)
            starts.append(model.mixing.places(chunk.batch) == Place.START)
    return torch.cat(found), torch.cat(starts)


def test_each_place_of_a_session_has_a_popularity_of_its_own() -> None:
    model, data = examples()
    learn_mixing(model, data)
    found, starts = gains(model, data)
    assert starts.float().mean() == pytest.approx(1 / LENGTH, abs=0.01)
    assert found[starts].mean() > 0.85, "a story has twice the clicks of a cover, but hardly any visit begins with it"
    assert found[~starts].mean() > 0.85


def test_a_model_that_expects_the_same_at_each_place_is_corrected_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model expects covers and stories alike; nothing but the correction may help."""
    model, data = examples()
    plain = CatalogueRanking.model_scores

    def scored(ranking: CatalogueRanking, some: Examples) -> tuple[Tensor, Tensor]:
        scores, unknown = plain(ranking, some)
        return torch.zeros_like(scores), unknown

    monkeypatch.setattr(CatalogueRanking, "model_scores", scored)
    monkeypatch.setattr("mos_online.model.mixture_weights.PULL", 1.0)
    learn_mixing(model, data)
    assert model.mixing.calibration.corrected == BY_PLACE


def test_a_list_for_the_next_session_goes_by_all_clicks_as_what_sessions_begin_with_changes() -> None:
    _, data = examples()
    batch = data.of([0]).batch
    assert MixingAhead(GAP).places(batch).tolist() == [Place.ANYWHERE] * len(batch.items)


def test_exactly_the_gap_goes_on_with_the_session() -> None:
    model, data = examples()
    batch = data.of([0]).batch
    last = batch.mask.sum(1, keepdim=True) - 1
    asked = batch.mask.any(1)
    for age, place in ((GAP / 1000, Place.INSIDE), (GAP / 1000 + 0.001, Place.START)):
        ages = batch.ages.scatter(1, last.clamp(min=0), age)
        assert (model.mixing.places(replace(batch, ages=ages))[asked] == place).all()
    nobody = replace(batch, mask=torch.zeros_like(batch.mask))
    assert (model.mixing.places(nobody) == Place.START).all(), "who has done nothing begins a session"


@pytest.mark.parametrize("how", [NOT, BY_ALL, BY_PLACE])
@pytest.mark.parametrize("sharpness", [0.5, 1.0])
@pytest.mark.parametrize("ahead", [False, True])
def test_what_is_learned_from_is_what_is_mixed(how: int, sharpness: float, ahead: bool) -> None:
    """The likelihood by which weights are learned is that of the list, at both places, however it is calibrated."""
    model, data = examples()
    way = Calibration(sharpness, how)
    mixed = model.ahead if ahead else model.mixing
    mixed.set_weights(torch.linspace(-0.9, 0.7, SOURCES * FACTS).view(FACTS, SOURCES).T, -1.5, way)
    (said,) = said_of(model, data, mixed, [way])
    losses = losses_of(said, mixed.weights.double(), mixed.again.double())
    ranking, expected = CatalogueRanking(model, mixing=mixed), []
    with torch.inference_mode():
        for chunk in in_chunks(data):
            scores, unknown = ranking.scores(chunk)
            chances = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
            found = -chances.gather(1, ranking.slot[chunk.targets].unsqueeze(1)).squeeze(1)
            expected.append(found[found.isfinite()])
    torch.testing.assert_close(losses.float(), torch.cat(expected), atol=1e-4, rtol=1e-4)


def test_weights_may_depend_on_whether_a_session_begins() -> None:
    model, data = examples()
    chunk = next(in_chunks(data))
    assert chunk.neighbours is not None
    for mixed in (model.mixing, model.ahead):
        places = mixed.places(chunk.batch)
        facts = evidence_of(chunk.batch, places, chunk.neighbours, chunk.moment).facts
        assert torch.equal(facts[:, -1], (places != Place.INSIDE).float())
