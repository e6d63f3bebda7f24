"""The loss against its definition, and the ranks that early stopping looks at."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mos_online.model import MoS
from mos_online.model.batch import Batch, History, collate
from mos_online.model.realtime import Realtime
from mos_online.training import loss as loss_module
from mos_online.training.examples import Examples
from mos_online.training.loss import ranking_loss
from mos_online.training.ranking import CatalogueRanking

ITEMS, THEMES = 40, 3
SIZES, SEEN = [3, 2, 4], [20, 33, ITEMS]


@pytest.fixture
def model() -> MoS:
    torch.manual_seed(0)
    made = MoS(backbone="pooling", items=ITEMS, categories=3, themes=THEMES, width=8, recent=6, short=3, id_dropout=0.0)
    made.dropout.p = 0.0
    draw = torch.Generator().manual_seed(1)
    rows = ITEMS + 1
    known = (torch.rand(rows, generator=draw) > 0.2).float()
    made.set_catalogue(
        torch.randint(0, 4, (rows,), generator=draw), torch.randint(0, THEMES + 1, (rows,), generator=draw), known
    )
    with torch.no_grad():
        for weight in made.parameters():  # what starts at zero must count too
            weight.add_(0.2 * torch.randn(weight.shape, generator=draw))
    return made


def histories(count: int) -> Batch:
    draw = np.random.default_rng(0)
    return collate(
        [
            History(
                items=draw.integers(1, 20, length),
                times=np.sort(draw.integers(0, 10**8, length)),
                now=10**8,
                rings={theme: (draw.integers(1, 20, 3), np.arange(3) * 1000) for theme in range(1, length % 3 + 1)},
                theme_sessions=dict.fromkeys(range(1, length % 3 + 1), 2),
            )
            for length in draw.integers(0, 6, count).tolist()
        ]
    )


def data() -> Examples:
    """Three moments; the third example's target is new at its moment, the fifth's is no item."""
    draw = torch.Generator().manual_seed(2)
    popular = [torch.randperm(seen, generator=draw)[:5] + 1 for seen in SEEN]
    return Examples(
        batch=histories(sum(SIZES)),
        targets=torch.tensor([1, 20, 30, 33, 0, 7, 8, 40, 12]),
        sizes=SIZES,
        seen=SEEN,
        popular=[
            Realtime(popular=rows, facts=torch.rand(5, 3, generator=draw) / 5, placed=torch.zeros(2, 5, 2))
            for rows in popular
        ],
    )


def all_scores(model: MoS, examples: Examples) -> Tensor:
    """Scores (B, items) of all items, by the path that serves one moment."""
    everything, slot = torch.arange(1, ITEMS + 1), torch.arange(-1, ITEMS)
    users = model.encode(examples.batch)
    parts = []
    for number, popular in enumerate(examples.popular):
        scores = model.score(users, everything, popular.features(everything, model.item_known))
        begin = sum(SIZES[:number])
        parts.append(model.add_repeats(scores, examples.batch, slot)[begin : begin + SIZES[number]])
    return torch.cat(parts)


def expected_loss(model: MoS, examples: Examples) -> Tensor:
    """Mean cross-entropy among the items known at each moment and its own targets."""
    scores, losses, row = all_scores(model, examples), [], 0
    for size, seen in zip(SIZES, SEEN, strict=True):
        targets = examples.targets[row : row + size]
        candidates = sorted({*range(1, seen + 1), *targets[targets > 0].tolist()})
        for target in targets.tolist():
            if target:
                own = scores[row, torch.tensor(candidates) - 1]
                losses.append(own.logsumexp(0) - scores[row, target - 1])
            row += 1
    return torch.stack(losses).mean()


def test_the_loss_is_the_cross_entropy_among_the_items_known_then(model: MoS) -> None:
    examples = data()
    found = ranking_loss(model, examples, torch.Generator())
    torch.testing.assert_close(found, expected_loss(model, examples))


def test_items_of_the_future_learn_nothing(model: MoS) -> None:
    examples = data()
    one = Examples(
        batch=histories(SIZES[0]),
        targets=torch.tensor([1, 20, 3]),
        sizes=SIZES[:1],
        seen=SEEN[:1],
        popular=examples.popular[:1],
    )
    ranking_loss(model, one, torch.Generator()).backward()
    gradient = model.get_parameter("item.weight").grad
    assert gradient is not None
    learned = (gradient != 0).any(1)
    known = model.item_known.bool()
    assert learned[1:21][known[1:21]].all()
    assert not learned[21:].any()


def test_a_sampled_catalogue_gives_nearly_the_loss_of_the_whole_one(
    model: MoS, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, generator = data(), torch.Generator().manual_seed(0)
    with torch.inference_mode():
        whole = ranking_loss(model, examples, generator).item()
        monkeypatch.setattr(loss_module, "WHOLE", 5)
        monkeypatch.setattr(loss_module, "SAMPLED", 12)
        drawn = [ranking_loss(model, examples, generator).item() for _ in range(400)]
    assert len(set(drawn)) > 100
    assert np.mean(drawn) == pytest.approx(whole, abs=0.1)
    monkeypatch.setattr(loss_module, "SAMPLED", 10_000)
    with torch.inference_mode():
        assert ranking_loss(model, examples, generator).item() == pytest.approx(whole, rel=1e-5)


@torch.inference_mode()
def test_ranks_and_chances_are_those_of_the_definition(model: MoS) -> None:
    model.eval()
    examples = data()
    log_share = torch.log_softmax(torch.randn(ITEMS + 1, generator=torch.Generator().manual_seed(3)), 0)
    ranking = CatalogueRanking(model)
    found = ranking.rank(examples, *ranking.scores(examples), log_share)
    scores, row = all_scores(model, examples).double(), 0
    for size, seen in zip(SIZES, SEEN, strict=True):
        for target in examples.targets[row : row + size].tolist():
            if not 1 <= target <= seen:
                assert found.rank[row] == 0
                assert math.isnan(found.auc[row])
            else:
                others = [item for item in range(1, seen + 1) if item != target]
                assert found.rank[row] == 1 + sum(bool(scores[row, o - 1] > scores[row, target - 1]) for o in others)
                share = log_share.exp()[others]
                lift = scores[row] - log_share[1:]
                beaten = torch.tensor([bool(lift[o - 1] < lift[target - 1]) for o in others])
                assert found.auc[row].item() == pytest.approx(((beaten * share).sum() / share.sum()).item(), abs=1e-5)
            row += 1


def test_a_hidden_item_is_scored_like_one_that_is_not_known(model: MoS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row and real-time features agree, so that training sees unknown items as service does."""
    examples = data()
    hidden = torch.arange(ITEMS + 1) % 3 == 0
    monkeypatch.setattr(model, "shown", lambda items: model.item_known[items] * ~hidden[items])
    with torch.inference_mode():
        found = ranking_loss(model, examples, torch.Generator())
        monkeypatch.undo()
        model.item_known.mul_(~hidden)
        expected = ranking_loss(model, examples, torch.Generator())
    torch.testing.assert_close(found, expected)


def test_in_training_some_items_are_hidden_and_never_in_service(model: MoS) -> None:
    everything = torch.arange(1, ITEMS + 1).repeat(100)
    config = replace(model.config, id_dropout=0.25)
    model.config = config
    torch.manual_seed(0)
    shown = model.train().shown(everything)
    known = model.item_known[everything] > 0
    assert shown[known].mean().item() == pytest.approx(0.75, abs=0.03)
    assert not shown[~known].any()
    assert torch.equal(model.eval().shown(everything), model.item_known[everything])
