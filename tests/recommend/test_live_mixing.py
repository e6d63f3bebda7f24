"""The weights of what is mixed in, learned again from what users click after they asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model.batch import History, collate
from mos_online.model.co_clicks import FACTS, Evidence
from mos_online.model.mixing import NEIGHBOURS, RECENT, SLOW, SOURCES, Calibration, Mixing, MixingAhead
from mos_online.model.mixture_weights import NEVER, Clicked, MixtureWeights, most_likely
from mos_online.model.popularity import PopularNow
from mos_online.model.realtime import Realtime
from mos_online.recommend import live_mixing
from mos_online.recommend.candidates import Candidates
from mos_online.recommend.live_mixing import Answered, LiveMixing
from mos_online.recommend.query import Query

ITEMS = 30
GAP = 1000
CALIBRATION = Calibration(0.5)
FACTS_OF_ALL = torch.tensor([[1.0, 0.5, 0.3, 0.2, 0.4, 0.0]])


def trained(odds: float = -2.0) -> Mixing:
    mixing = Mixing(GAP)
    weights = torch.zeros(SOURCES, FACTS)
    weights[:, 0] = odds
    mixing.set_weights(weights, -0.5, calibration=CALIBRATION)
    return mixing


def trained_ahead() -> MixingAhead:
    """As trained for lists for the next session."""
    mixing = MixingAhead(GAP)
    mixing.set_weights(torch.full((SOURCES, FACTS), 0.3), 0.5, calibration=CALIBRATION)
    mixing.delay.fill_(7)
    return mixing


def history(*times: int, items: list[int] | None = None, now: int | None = None) -> History:
    rows = items or [1 + time % ITEMS for time in times]
    return History(
        items=np.array(rows),
        times=np.array(times),
        now=now if now is not None else (times[-1] if times else 0),
        rings={},
        theme_sessions={},
    )


class Answers:
    """What the model and the sources say, each a tensor of chances (ITEMS,), to a user who had some of the items."""

    def __init__(self, chances: Sequence[Tensor], had: Sequence[int] = ()) -> None:
        rows = torch.arange(ITEMS)
        near = chances[1 + NEIGHBOURS]
        slot = torch.cat([torch.tensor([-1]), rows])
        inside = torch.stack([chances[1 + RECENT], chances[1 + SLOW]], 1)
        popular = PopularNow(
            Realtime(
                popular=rows + 1,
                facts=torch.rand(ITEMS, 3),
                placed=torch.stack([inside, torch.rand(ITEMS, 2)]),
                clicks=(1.0, 1.0, 0.0),
                as_of=1,
                half_life_ms=1.0,
            ),
            slot,
        )
        self.chances = chances
        self.model = chances[0].log().unsqueeze(0) + 3.0
        self.had = list(had)
        self.evidence = Evidence(
            rows=torch.zeros(ITEMS, dtype=torch.int64),
            items=rows + 1,
            asked=rows,
            chances=near,
            facts=FACTS_OF_ALL,
            places=torch.tensor([Place.INSIDE]),
        )
        self.candidates = Candidates(
            names=[str(row) for row in range(ITEMS + 1)],
            rows={},
            themes=[],
            order=[],
            slot=slot,
            parts=[],
            popular=popular,
            columns=rows + 1,
        )

    def to(self, user: str, newest: int, first: int) -> Answered:
        items = torch.tensor([[*self.had, 0]])
        batch = collate([])
        batch = replace(batch, items=items, mask=items > 0)
        columns = self.model.topk(first).indices
        return Answered([user], [newest], torch.tensor([0]), self.model, batch, self.evidence, self.candidates, columns)


def query(user: str, *, teaches: bool = True) -> Query:
    return Query(user_id=user, profile=None, events=[], timestamp=0, k=10, exclude=[], teaches=teaches)


def ask(
    live: LiveMixing,
    user: str,
    clicks: History,
    answers: Answers,
    first: int,
    *,
    as_of: int = 0,
    place: Place = Place.INSIDE,
) -> bool:
    """One request; whether it teaches."""
    if not live.teaching([query(user)], [clicks], [place], as_of=as_of):
        return False
    live.note(answers.to(user, int(clicks.times[-1]), first))
    return True


def any_answers(seed: int) -> Answers:
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.rand(ITEMS, generator=generator).pow(4) for _ in range(1 + SOURCES)]
    had = (torch.rand(ITEMS, generator=generator) < 0.2).nonzero().squeeze(1) + 1
    return Answers([one / one.sum() for one in parts], had.tolist())


def test_a_user_counts_again_only_after_another_click() -> None:
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(0)
    taught = [ask(live, "u", history(at), answers, 3) for at in (5, 5, 7, 7, 6, 8)]
    assert taught == [True, False, True, False, False, True]
    assert ask(live, "v", history(5), answers, 3)
    assert not ask(live, "nobody", history(), answers, 3)
    assert live.teaching([query("w"), query("w")], [history(5), history(5)], [1, 1], as_of=0) == [0]
    assert live.teaching([query("x", teaches=False)], [history(5)], [1], as_of=0) == [], "a load test"
    assert live.teaching([query("x")], [history(5, items=[0])], [1], as_of=0) == [], "popularity answers"


def test_who_comes_back_for_another_session_asks_again() -> None:
    """The click that begins the session is learned from what was answered at its start, not from the last page."""
    live, (last_page, start) = LiveMixing(trained(), trained_ahead()), (any_answers(0), any_answers(1))
    assert ask(live, "u", history(5), last_page, 3)
    assert not ask(live, "u", history(5), last_page, 3)
    assert ask(live, "u", history(5), start, 3, place=Place.START)
    assert not ask(live, "u", history(5), start, 3, place=Place.START)
    ask(live, "u", history(5, 9000, items=[6, 4]), last_page, 3)
    live.learn()
    (clicked,) = live._clicked
    expected = LiveMixing(trained(), trained_ahead())
    ask(expected, "u", history(5), start, 3, place=Place.START)
    ask(expected, "u", history(5, 9000, items=[6, 4]), last_page, 3)
    expected.learn()
    assert torch.equal(clicked.plain, expected._clicked[0].plain)
    assert torch.equal(clicked.had, expected._clicked[0].had)


def test_who_comes_back_again_without_a_click_asks_again_too() -> None:
    """A list is learned from as it was at the last visit, not at one of the day before."""
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(0)
    visits = [5_000, 5_001, 5_000 + 2 * GAP, 5_001 + 2 * GAP]
    taught = [ask(live, "u", history(5, now=at), answers, 3, place=Place.START) for at in visits]
    assert taught == [True, False, True, False]


def test_those_who_asked_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_mixing, "USERS", 2)
    monkeypatch.setattr(live_mixing, "ASKED", 2)
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(0)
    assert [ask(live, user, history(1), answers, 3) for user in "abacab"] == [True, True, False, True, True, True]
    live.learn()
    assert len(live._said) == len(live._asked) == 2


def test_between_two_looks_only_so_many_users_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_mixing, "ROOM", 3)
    live, five = LiveMixing(trained(), trained_ahead()), [query(f"u{n}") for n in range(5)]
    assert live.teaching(five, [history(1)] * 5, [1] * 5, as_of=0) == [0, 1, 2]
    live.learn()
    assert live.teaching(five, [history(2)] * 5, [1] * 5, as_of=0) == [0, 1, 2]


@given(seed=st.integers(0, 10_000), first=st.integers(1, ITEMS), target=st.integers(1, ITEMS))
def test_what_is_kept_are_the_chances_that_each_source_gave(seed: int, first: int, target: int) -> None:
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(seed)
    ask(live, "u", history(1000), answers, first)
    ask(live, "u", history(1000, 2000, items=[1, target]), answers, first)
    live.learn()
    (clicked,) = live._clicked
    listed = set((answers.model.topk(first).indices + 1).flatten().tolist())
    meant = {target} if target in listed else set(range(1, ITEMS + 1)) - listed
    for source, chances in enumerate(answers.chances):
        had = meant & set(answers.had) if source else set()
        for items, found in ((meant - had, clicked.plain), (had, clicked.had)):
            expected = sum(chances[item - 1].item() for item in items)
            assert found[0, source].exp().item() == pytest.approx(expected, abs=1e-5)


def test_the_first_click_after_the_answer_counts_and_only_once() -> None:
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(3)
    for clicks in (
        history(10),
        history(10),  # the page is loaded again
        history(10, 20, 30, items=[1, 7, 8]),
        history(10, 20, 30, items=[1, 7, 8]),
    ):
        ask(live, "u", clicks, answers, ITEMS)
    live.learn()
    (clicked,) = live._clicked
    assert clicked.plain[0, 0].exp().item() == pytest.approx(answers.chances[0][6].item(), abs=1e-5)


@pytest.mark.parametrize(
    "later",
    [
        history(20, 30, items=[2, 3]),
        history(10, 20, items=[1, 0]),
        history(10, 20, items=[1, ITEMS + 1]),
        history(10, 12, 20, items=[1, 2, 3]),
        history(10, 14, 20, items=[1, 2, 3]),
    ],
    ids=["what came first", "the item", "an item that was no candidate", "a click before the answer", "a counted one"],
)
def test_what_is_not_known_is_not_learned(later: History) -> None:
    """An answer at 13 that knew a click at 10, with counts that knew clicks at 15: what is between was no secret."""
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(3)
    ask(live, "u", history(10, now=13), answers, 5, as_of=15)
    ask(live, "u", later, answers, 5)
    live.learn()
    assert not live._clicked
    ask(live, "v", history(10, now=13), answers, 5, as_of=15)
    ask(live, "v", history(10, 16, items=[1, 2]), answers, 5)
    live.learn()
    assert len(live._clicked) == 1


def test_a_click_goes_with_the_answer_before_it_or_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is no room, answers are not kept; a later click is not taken for one after an earlier answer."""
    monkeypatch.setattr(live_mixing, "ROOM", 1)
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(3)
    assert ask(live, "u", history(10), answers, 5)
    assert not ask(live, "u", history(10, 20, items=[1, 0]), answers, 5), "no room, and the item is not known"
    live.learn()
    assert ask(live, "u", history(10, 20, 30, items=[1, 0, 7]), answers, 5)
    live.learn()
    assert not live._clicked


def test_nothing_piles_up_while_nobody_looks() -> None:
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(3)
    for time in range(1, 500):
        ask(live, "u", history(*range(1, time + 1)), answers, 5)
    assert len(live._heard) <= 2 * live_mixing.ROOM


@pytest.mark.parametrize("right", [NEIGHBOURS, RECENT, SLOW, None])
def test_whoever_is_right_counts_for_more(right: int | None) -> None:
    """One source knows every click; the others say anything."""
    live, random = LiveMixing(trained(), trained_ahead()), np.random.default_rng(0)
    for number in range(live_mixing.DUE):
        target = int(random.integers(1, ITEMS + 1))
        parts = [torch.from_numpy(random.dirichlet(np.ones(ITEMS))).float() for _ in range(1 + SOURCES)]
        knows = 0 if right is None else 1 + right
        parts[knows] = 0.1 * parts[knows]
        parts[knows][target - 1] += 0.9
        answers, user = Answers(parts), f"u{number}"
        ask(live, user, history(1000), answers, 10)
        ask(live, user, history(1000, 2000, items=[1, target]), answers, 10)
        live.learn()
    assert live.learned_from == live_mixing.DUE
    assert live.mixing.calibration == live.ahead.calibration == CALIBRATION
    odds = live.mixing.weights @ FACTS_OF_ALL[0]
    shares = torch.cat([torch.zeros(1), odds]).softmax(0)
    assert shares[0 if right is None else 1 + right] > 0.8
    assert torch.equal(live._trained.weights[:, 0], torch.full((SOURCES,), -2.0)), "the model stays as it was trained"
    moved = live.mixing.weights - live._trained.weights
    torch.testing.assert_close(live.ahead.weights, trained_ahead().weights + moved)
    torch.testing.assert_close(live.ahead.again, trained_ahead().again + live.mixing.again - live._trained.again)
    assert live.ahead.delay_ms == trained_ahead().delay_ms == 7
    assert torch.equal(live.anew().ahead.weights, trained_ahead().weights)


def test_what_is_not_finite_is_not_learned() -> None:
    live, answers = LiveMixing(trained(), trained_ahead()), any_answers(3)
    answers.model = answers.model * torch.nan
    ask(live, "u", history(10), answers, 5)
    ask(live, "u", history(10, 20, items=[1, 2]), answers, 5)
    live.learn()
    assert not live._clicked


@pytest.mark.parametrize("changed", [False, True])
def test_what_is_no_better_for_the_newest_clicks_is_not_used(changed: bool) -> None:
    """Neighbours are right until lately, and wrong since."""
    live, random = LiveMixing(trained(), trained_ahead()), np.random.default_rng(0)
    for number in range(live_mixing.DUE):
        target = int(random.integers(1, ITEMS + 1))
        right = not (changed and number >= 0.8 * live_mixing.DUE)
        parts = [torch.full((ITEMS,), 1 / ITEMS) for _ in range(1 + SOURCES)]
        parts[1 + NEIGHBOURS] = torch.full((ITEMS,), 1e-3)
        parts[1 + NEIGHBOURS][target - 1 if right else target % ITEMS] = 1 - 1e-3 * (ITEMS - 1)
        answers, user = Answers(parts), f"u{number}"
        ask(live, user, history(1000), answers, ITEMS)
        ask(live, user, history(1000, 2000, items=[1, target]), answers, ITEMS)
        live.learn()
    assert live.learned_from == (0 if changed else live_mixing.DUE)
    assert (live.mixing is live._trained) == changed
    assert (live.ahead is live._trained_ahead) == changed


def test_it_learns_nothing_where_it_is_not_to() -> None:
    live, answers = LiveMixing(trained(), trained_ahead(), learns=False), any_answers(0)
    for time in (10, 20):
        assert ask(live, "u", history(*range(10, time + 1, 10)), answers, 3), "the expectation is learned all the same"
    live.learn()
    assert not live._clicked


def test_a_set_of_items_is_as_likely_as_its_items_together() -> None:
    """The likelihood of a set is that of the definition, whatever the user had."""
    generator = torch.Generator().manual_seed(1)
    n = 400
    plain, had = (torch.rand(n, 1 + SOURCES, generator=generator).div(3).log() for _ in range(2))
    had[:, 0] = NEVER
    speaks = torch.rand(n, 1 + SOURCES, generator=generator) < 0.8
    speaks[:, 0] = True
    facts = torch.rand(n, FACTS, generator=generator)
    shares = had[:, 1:].exp() + 0.2
    found = most_likely(Clicked(plain=plain, had=had, speaks=speaks, shares=shares, facts=facts))

    def loss(weights: MixtureWeights) -> float:
        again = weights.again.exp()
        of = (plain[:, 1:].exp() + again * had[:, 1:].exp()) / (1 + (again - 1) * shares)
        odds = torch.cat([torch.ones(n, 1), (facts.double() @ weights.weights.T).exp()], 1) * speaks
        mixed = (odds * torch.cat([plain[:, :1].exp(), of], 1)).sum(1) / odds.sum(1)
        return float(-mixed.log().mean())

    pulled = 1e-3 * float(found.weights.square().sum() + found.again.square().sum())
    assert loss(found) + pulled == pytest.approx(found.loss, abs=1e-5)
    for step in (-0.05, 0.05):
        moved = found._replace(again=found.again + step)
        assert loss(moved) + 1e-3 * float(moved.weights.square().sum() + moved.again.square().sum()) > found.loss
