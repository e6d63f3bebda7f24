"""ComiRec pools events into interests, and the best one scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from evaluation.rivals.interests import ComiRec
from mos_online.model import Batch, History, MoSConfig, collate
from mos_online.model.config import REALTIME_FEATURES

ITEMS, WIDTH, LONGEST, INTERESTS = 12, 8, 6, 4
NOW = 10**9


@pytest.fixture
def comirec() -> ComiRec:
    torch.manual_seed(0)
    model = ComiRec(MoSConfig(items=ITEMS, themes=3, width=WIDTH, recent=LONGEST), INTERESTS).eval()
    nothing = torch.zeros(ITEMS + 1, dtype=torch.int64)
    model.set_catalogue(nothing, nothing, torch.cat([torch.zeros(1), torch.ones(ITEMS)]))
    return model


def users(*histories: list[int]) -> Batch:
    """Users with these items, one a minute."""
    return collate(
        [
            History(
                items=np.array(items, np.int64),
                times=NOW - 60_000 * np.arange(len(items), 0, -1),
                now=NOW,
                rings={},
                theme_sessions={},
            )
            for items in histories
        ]
    )


def features() -> Tensor:
    return torch.zeros(ITEMS + 1, REALTIME_FEATURES)


@torch.no_grad()
def test_interests_by_hand(comirec: ComiRec) -> None:
    batch = users([1, 2, 3], [4, 5, 6, 7, 8])
    got = comirec.encode(batch).themed
    assert got.shape == (2, INTERESTS, WIDTH)
    for row, length in enumerate([3, 5]):
        events = comirec.event_rows(batch.items[row, :length], batch.ages[row, :length])
        placed = events + comirec.position.weight[:length].flip(0)  # the newest event is at position 0
        attention = comirec.second(torch.tanh(comirec.first(placed))).softmax(0)
        torch.testing.assert_close(got[row], attention.T @ events, rtol=0, atol=1e-6)


@torch.no_grad()
def test_attention_sums_to_one(comirec: ComiRec) -> None:
    comirec.age.weight.zero_()
    alike = comirec.encode(users([5] * 4, [5])).themed
    torch.testing.assert_close(alike, comirec.item.weight[5].expand_as(alike))


@torch.no_grad()
def test_padding_and_other_rows_do_not_matter(comirec: ComiRec) -> None:
    histories: tuple[list[int], ...] = ([1, 2], [], [3, 4, 5, 6, 7, 8])
    batch = users(*histories)
    together = comirec.encode(batch).themed
    batch.items.masked_fill_(~batch.mask, 11)
    batch.ages.masked_fill_(~batch.mask, 1e6)
    torch.testing.assert_close(comirec.encode(batch).themed, together)
    for row in (0, 2):
        torch.testing.assert_close(comirec.encode(users(histories[row])).themed[0], together[row])
    assert not together[1].any()
    assert not comirec.encode(users([], [])).themed.any()


@torch.no_grad()
@pytest.mark.parametrize("histories", [([1, 2, 3], [4, 5], []), ([], [])])
def test_a_candidate_is_scored_by_its_best_interest(comirec: ComiRec, histories: tuple[list[int], ...]) -> None:
    batch, candidates = users(*histories), torch.tensor([1, 4, 9, 11])
    slot = torch.full((ITEMS + 1,), -1)
    slot[candidates] = torch.arange(4)
    themed = comirec.encode(batch).themed
    whole = comirec.score(comirec.encode(batch), candidates, features()[candidates])
    rows = comirec.item_rows(candidates) * comirec.scale.exp()
    live, bias = comirec.realtime_rows(features()[candidates])
    user = comirec.realtime_user(comirec.encode(batch).base)
    for row in range(len(histories)):
        for column in range(4):
            best = max((interest @ rows[column]).item() for interest in themed[row])
            realtime_feature = (user[row] @ live[column] + bias[column]).item()
            assert whole[row, column].item() == pytest.approx(best + realtime_feature, abs=1e-5)
    asked = candidates.expand(len(histories), -1)
    pairs = comirec.score_pairs(batch, asked, features()[asked])
    torch.testing.assert_close(pairs, comirec.add_repeats(whole, batch, slot), rtol=0, atol=1e-5)


def test_only_the_targets_interest_learns(comirec: ComiRec) -> None:
    user = comirec.encode(users([1, 2, 3, 4]))
    (gradient,) = torch.autograd.grad(
        comirec._match(user, comirec.item_rows(torch.tensor([9])), torch.tensor([0])).sum(), user.themed
    )
    best = (user.themed[0] @ comirec.item.weight[9]).argmax().item()
    assert gradient[0].any(1).nonzero().flatten().tolist() == [best]
