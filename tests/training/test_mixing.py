"""How much neighbours and popularity count beside a model is learned; what is mixed are probability distributions."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from mos_online.model import MoS, mixture_weights
from mos_online.model.co_clicks import ASKED, FACTS, Evidence, evidence_of
from mos_online.model.mixing import NEIGHBOURS, RECENT, SLOW, SOURCES
from mos_online.sessions import SessionConfig
from mos_online.training import mixing
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.examples import ExampleLog, Examples
from mos_online.training.measure import measure
from mos_online.training.mixing import learn_mixing
from mos_online.training.moments import moments
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.ranking import CatalogueRanking, in_chunks
from mos_online.training.sequence_log import SequenceLog

ITEMS, USERS, LENGTH = 40, 60, 6
AGAIN = -1.5
WEIGHTS = torch.linspace(-0.9, 0.7, SOURCES * FACTS).view(FACTS, SOURCES).T.contiguous()
RULES = CoClickRules(half_life_ms=1e9, window_ms=1_800_000)
NO_ITEMS = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String, "category": pl.String})


def log_of(*, planted: bool) -> tuple[ClickLog, Catalogue]:
    """Users who walk along a ring of items, each from another place; or who click anything."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        begin = random.integers(ITEMS)
        for step in range(LENGTH):
            item = (begin + step) % ITEMS if planted else random.integers(ITEMS)
            rows.append((f"u{user}", f"i{item}", f"{user}-{step}", 10_000 * user + 1000 * step, "click"))
    frame = pl.DataFrame(rows, orient="row", schema=["user_id", "item_id", "event_id", "timestamp", "event_type"])
    log = ClickLog.cut(frame, NO_ITEMS, SessionConfig(min_timestamp=0))
    return log, Catalogue.of_log(log)


def examples(*, planted: bool, rules: CoClickRules | None = RULES, size: int = 8) -> tuple[MoS, ExampleLog]:
    """A model that knows nothing, and the newest half of a log."""
    log, catalogue = log_of(planted=planted)
    torch.manual_seed(0)
    model = MoS(backbone="pooling", items=len(catalogue.items), themes=1, width=8).eval()
    model.item_known.fill_(1)
    sequences = SequenceLog(log.events, catalogue, np.zeros(len(log.events), np.int64), 1)
    chosen = log.order[len(log.order) // 2 :]
    walk = moments(log, catalogue, chosen, size=size, half_life_ms=1e9)
    made = list(walk if rules is None else with_neighbours(walk, log, catalogue, rules))
    return model, ExampleLog(moments=made, log=sequences, config=model.config)


def shares(model: MoS, evidence: Evidence) -> torch.Tensor:
    """Of the model and of each source, (B, 1 + SOURCES), where all of them have something to say."""
    odds = model.mixing.log_odds(evidence)
    return torch.cat([torch.zeros(len(odds), 1), odds], 1).softmax(1)


def test_neighbours_count_for_much_where_they_know_what_comes_next() -> None:
    model, data = examples(planted=True)
    log_share = torch.zeros(ITEMS + 1)
    alone = measure(model, data, log_share)
    learn_mixing(model, data)
    mixed = measure(model, data, log_share)
    assert mixed.ndcg > alone.ndcg + 0.2
    (chunk, *_) = in_chunks(data)
    assert chunk.neighbours is not None
    evidence = evidence_of(chunk.batch, model.mixing.places(chunk.batch), chunk.neighbours, chunk.moment)
    asked = torch.unique(evidence.rows)
    assert (shares(model, evidence)[asked, 1 + NEIGHBOURS] > 0.5).float().mean() > 0.8


def test_neighbours_count_for_little_where_nobody_knows_what_comes_next() -> None:
    model, data = examples(planted=False)
    learn_mixing(model, data)
    weights = model.mixing.weights
    assert weights.isfinite().all()
    for chunk in in_chunks(data):
        assert chunk.neighbours is not None
        evidence = evidence_of(chunk.batch, model.mixing.places(chunk.batch), chunk.neighbours, chunk.moment)
        assert (shares(model, evidence)[:, 1 + NEIGHBOURS] < 0.5).all()


def test_what_was_learned_before_stays_unless_many_positions_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = examples(planted=True)
    model.mixing.set_weights(WEIGHTS, AGAIN)
    learn_mixing(model, data)
    assert data.count < mixing.FEWEST_ANEW
    assert torch.equal(model.mixing.weights, WEIGHTS)
    monkeypatch.setattr(mixing, "FEWEST_ANEW", data.count)
    moved = []
    for pull in (1e3, mixture_weights.PULL):
        model.mixing.set_weights(WEIGHTS, AGAIN)
        monkeypatch.setattr(mixture_weights, "PULL", pull)
        learn_mixing(model, data)
        moved.append((model.mixing.weights - WEIGHTS).abs().max().item())
    assert moved[0] < 0.01
    assert moved[1] > 0.1


@pytest.mark.parametrize("size", [1, 2, 8])
def test_first_weights_of_a_few_clicks_are_learned_and_stay_near_a_tenth(size: int) -> None:
    model, data = examples(planted=True, size=size)
    some = replace(data, moments=data.moments[-1:])
    learn_mixing(model, some)
    assert some.count <= size
    assert model.mixing.learned
    assert model.mixing.calibration.sharpness == 1
    assert (model.mixing.weights - mixture_weights.FIRST * torch.eye(FACTS)[0]).abs().max() < 2
    assert model.mixing.again.abs() < 2


@pytest.mark.parametrize("aged", [False, True])
def test_a_model_that_expects_what_is_not_clicked_is_corrected(aged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "USERS", 150)
    model, data = examples(planted=False)
    plain = CatalogueRanking.model_scores

    def scored(ranking: CatalogueRanking, some: Examples) -> tuple[Tensor, Tensor]:
        scores, unknown = plain(ranking, some)
        scores[:, ranking.slot[1:5]] += 5.0
        return scores, unknown

    if aged:
        monkeypatch.setattr(CatalogueRanking, "model_scores", scored)
    monkeypatch.setattr(mixture_weights, "PULL", 1.0)  # else popularity alone may do
    learn_mixing(model, data)
    assert bool(model.mixing.corrected) or not aged
    chances = []
    for corrected in (0, 1):
        model.mixing.corrected.fill_(corrected)
        ranking, found = CatalogueRanking(model), []
        with torch.inference_mode():
            for chunk in in_chunks(data):
                scores, unknown = ranking.scores(chunk)
                logs = scores.masked_fill(unknown, -torch.inf).log_softmax(1)
                found.append(logs.gather(1, ranking.slot[chunk.targets].unsqueeze(1)).clamp(min=-20))
        chances.append(torch.cat(found).mean().item())
    assert chances[1] > chances[0] + 0.01 if aged else chances[1] == pytest.approx(chances[0], abs=0.02)


@pytest.mark.parametrize("surer", [0.75, 1.0, 2.0, 2.5])
def test_a_model_that_is_surer_than_it_should_be_is_softened(surer: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The items get 1 to e^6 clicks, and the model says that to the power of ``surer``."""
    monkeypatch.setattr(sys.modules[__name__], "USERS", 200)
    model, data = examples(planted=False)
    random, logs = np.random.default_rng(1), np.linspace(0, 6, ITEMS)

    def scored(ranking: CatalogueRanking, some: Examples) -> tuple[Tensor, Tensor]:
        scores = torch.zeros(len(some.targets), ITEMS)
        scores[:, ranking.slot[1:]] = torch.from_numpy(logs).float() * surer
        return scores, torch.zeros_like(scores, dtype=torch.bool)

    for one in data.moments:
        chances = np.exp(logs) / np.exp(logs).sum()
        data.log.items[one.positions] = random.choice(ITEMS, len(one.positions), p=chances) + 1
    monkeypatch.setattr(CatalogueRanking, "model_scores", scored)
    learn_mixing(model, data)
    assert model.mixing.calibration.sharpness == pytest.approx(1 / surer, rel=0.25 if surer > 1 else 0.15)


def test_without_neighbours_nothing_is_learned_and_no_score_changes() -> None:
    model, data = examples(planted=True, rules=None)
    learn_mixing(model, data)
    assert not model.mixing.learned
    ranking = CatalogueRanking(model)
    (chunk, *_) = in_chunks(data)
    assert torch.equal(ranking.scores(chunk)[0], ranking.model_scores(chunk)[0])


@pytest.mark.parametrize("size", [1, 5, 64])
@torch.inference_mode()
def test_the_mixture_is_that_of_the_definition(size: int) -> None:
    """Plainly from the tables of each moment, for every user and item."""
    model, data = examples(planted=True, size=size)
    model.mixing.set_weights(WEIGHTS, AGAIN)
    ranking = CatalogueRanking(model)
    chunk = next(in_chunks(data))
    assert chunk.neighbours is not None
    alone, unknown = ranking.model_scores(chunk)
    mixed, _ = ranking.scores(chunk)
    places = model.mixing.places(chunk.batch)
    share = shares(model, evidence_of(chunk.batch, places, chunk.neighbours, chunk.moment))
    changed = 0
    for row, number in enumerate(chunk.moment.tolist()):
        table = data.moments[number].neighbours
        assert table is not None
        history = chunk.batch.items[row][chunk.batch.mask[row]].tolist()
        asked = list(dict.fromkeys(reversed(history[-ASKED:])))
        whole = torch.zeros(alone.shape[1])
        for back, item in enumerate(asked):
            at = (table.owners == item).nonzero().flatten().tolist()
            for place in at:
                entries = slice(int(table.starts[place]), int(table.starts[place + 1]))
                for other, chance in zip(table.items[entries].tolist(), table.chances[entries].tolist(), strict=True):
                    whole[ranking.slot[other]] += chance / (back + 1) ** 2 * ~unknown[row, ranking.slot[other]]
        expected = alone[row].masked_fill(unknown[row], -torch.inf).softmax(0)
        now, rates = data.moments[number].popular, torch.zeros(2, alone.shape[1])
        rates[:, ranking.slot[now.popular]] = now.shares(int(places[row])).T
        for one in (whole, *rates):
            one[ranking.slot[torch.tensor(sorted(set(history)), dtype=torch.int64)]] *= math.exp(AGAIN)
        parts = share[row] * torch.tensor([1.0, *(float(one.sum() > 0) for one in (whole, *rates))])
        sources = (one / one.sum().clamp(min=1e-9) for one in (whole, *rates))
        expected = sum((one * part for one, part in zip(sources, parts[1:], strict=True)), parts[0] * expected)
        expected /= parts.sum()
        changed += int(whole.sum() > 0)
        found = mixed[row].masked_fill(unknown[row], -torch.inf).softmax(0)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert changed > len(chunk.targets) // 2


def test_a_user_of_one_batch_gets_what_they_get_alone() -> None:
    model, data = examples(planted=True)
    model.mixing.set_weights(WEIGHTS, AGAIN)
    together = CatalogueRanking(model).scores(data.of(range(6)))[0]
    for number in range(6):
        alone = replace(data, moments=data.moments[number : number + 1])
        begin = sum(len(one.positions) for one in data.moments[:number])
        with torch.inference_mode():
            scores = CatalogueRanking(model).scores(alone.of([0]))[0]
        torch.testing.assert_close(together[begin : begin + len(scores)], scores, atol=1e-4, rtol=1e-4)


def test_popularity_counts_for_much_where_it_is_all_there_is_to_know() -> None:
    """Everybody clicks the item of the hour, which a model that knows nothing cannot tell from the others."""
    log, catalogue = log_of(planted=False)
    hour = pl.col("timestamp") // 60_000
    events = log.events.drop("session_id").with_columns(item_id=pl.format("i{}", hour % ITEMS)).sort("timestamp")
    log = ClickLog.cut(events, NO_ITEMS, SessionConfig(min_timestamp=0))
    catalogue = Catalogue.of_log(log)
    model, _ = examples(planted=False)
    model = MoS(backbone="pooling", items=len(catalogue.items), themes=1, width=8).eval()
    model.item_known.fill_(1)
    torch.nn.init.zeros_(model.prior)
    walk = moments(log, catalogue, log.order[len(log.order) // 2 :], size=1, half_life_ms=10_000)
    made = list(with_neighbours(walk, log, catalogue, RULES))
    sequences = SequenceLog(log.events, catalogue, np.zeros(len(log.events), np.int64), 1)
    data = ExampleLog(moments=made, log=sequences, config=model.config)
    log_share = torch.zeros(len(catalogue.items) + 1)
    alone = measure(model, data, log_share)
    learn_mixing(model, data)
    assert measure(model, data, log_share).ndcg > alone.ndcg + 0.2
    for chunk in in_chunks(data):
        assert chunk.neighbours is not None
        mean = shares(
            model, evidence_of(chunk.batch, model.mixing.places(chunk.batch), chunk.neighbours, chunk.moment)
        ).mean(0)
        assert mean[1 + RECENT] > mean[1 + SLOW]
        assert mean[1 + RECENT] + mean[1 + SLOW] > 0.4


@pytest.mark.parametrize("comes_back", [True, False])
def test_it_is_learned_whether_users_come_back_to_what_they_had(comes_back: bool) -> None:
    """Neighbours know the items of a pair and others; what comes third is the first again, or the next pair's."""
    rows = []
    for user in range(USERS):
        first = 2 * (user % 5)
        steps = [first, first + 1, first] if comes_back else [first, first + 1, (first + 2) % 10]
        for who, items in (("u", steps), ("v", [first + 1, first + 10])):
            for n, item in enumerate(items):
                rows.append((f"{who}{user}", f"i{item}", f"{who}{user}-{n}", 10_000 * user + n, "click"))
    frame = pl.DataFrame(rows, orient="row", schema=["user_id", "item_id", "event_id", "timestamp", "event_type"])
    log = ClickLog.cut(frame, NO_ITEMS, SessionConfig(min_timestamp=0))
    catalogue = Catalogue.of_log(log)
    torch.manual_seed(0)
    model = MoS(backbone="pooling", items=len(catalogue.items), themes=1, width=8).eval()
    model.item_known.fill_(1)
    third = log.order[log.history[log.order] == 2]
    walk = moments(log, catalogue, third[5:], size=1, half_life_ms=1e9)
    made = list(with_neighbours(walk, log, catalogue, RULES))
    sequences = SequenceLog(log.events, catalogue, np.zeros(len(log.events), np.int64), 1)
    learn_mixing(model, ExampleLog(moments=made, log=sequences, config=model.config))
    again = model.mixing.again.item()
    assert again > 0.5 if comes_back else again < -0.5
