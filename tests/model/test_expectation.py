"""A model that expects what nobody clicks any more is corrected by what is clicked, as far as that is known."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from mos_online.items.places import Place
from mos_online.model.expectation import Expectation, Expectations
from mos_online.model.mixing import BY_ALL, BY_PLACE
from mos_online.model.popularity import PopularityChances, PopularNow
from mos_online.model.realtime import Realtime

ITEMS = 4
ROWS = torch.tensor([3, 1, 4, 2])
"""The item row of each column."""


def clicked(shares: list[float], *, clicks: float = 1e4, as_of: int = 1000) -> PopularityChances:
    """What is popular, by column; items without clicks are not listed."""
    whole = torch.tensor(shares)
    columns = torch.nonzero(whole).squeeze(1)
    logs = whole[columns].log()
    return PopularityChances(
        columns=columns,
        logs=torch.stack([logs, logs]),
        shares=whole[columns],
        others=float(whole[columns].min()),
        clicks=clicks,
        as_of=as_of,
        half_life_ms=1000.0,
    )


def expected(shares: list[float], users: int) -> Tensor:
    """Scores (users, ITEMS) of users who are all expected to click like this."""
    return torch.tensor(shares).log().repeat(users, 1) + torch.linspace(-3, 3, users).unsqueeze(1)


def corrected(
    expectation: Expectation, scores: Tensor, now: PopularityChances, unknown: Tensor | None = None
) -> Tensor:
    """Chances (users, ITEMS) after the correction."""
    scores = scores.clone()
    asked = torch.ones(len(scores), dtype=torch.bool)
    expectation.correct(scores, [now], [len(scores)], ROWS, asked, unknown)
    return scores.softmax(1)


def test_whoever_asks_first_gets_what_the_model_says() -> None:
    scores = expected([0.7, 0.1, 0.1, 0.1], 3)
    found = corrected(Expectation(ITEMS + 1), scores, clicked([0.1, 0.7, 0.1, 0.1]))
    torch.testing.assert_close(found, scores.softmax(1))


def test_after_many_users_an_average_user_gets_what_is_clicked() -> None:
    expectation, live = Expectation(ITEMS + 1), [0.05, 0.6, 0.25, 0.1]
    corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 100_000), clicked(live))
    found = corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 1), clicked(live))
    torch.testing.assert_close(found[0], torch.tensor(live), atol=2e-3, rtol=0.0)


def test_what_is_special_about_a_user_stays() -> None:
    expectation = Expectation(ITEMS + 1)
    corrected(expectation, expected([0.4, 0.2, 0.2, 0.2], 100_000), clicked([0.25] * 4))
    plain = expected([0.1, 0.7, 0.1, 0.1], 1)
    found = corrected(expectation, plain, clicked([0.25] * 4))
    odds = found[0, 1] / found[0, 2]
    assert odds.item() == pytest.approx(7.0, rel=1e-3), "two items of which as much was expected as was clicked"
    assert found[0, 0] < 0.1 * found[0, 1]


def test_few_clicks_correct_little_and_no_clicks_nothing() -> None:
    moved = []
    for clicks in (0.0, 10.0, 1e5):
        expectation = Expectation(ITEMS + 1)
        now = clicked([0.1, 0.7, 0.1, 0.1], clicks=clicks)
        corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 1000), now)
        moved.append(corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 1), now)[0, 1].item())
    assert moved[0] == pytest.approx(0.1, abs=1e-6)
    assert moved[0] < moved[1] < moved[2]


def test_it_forgets_by_event_time() -> None:
    found = []
    for later in (1000, 200_000):
        expectation = Expectation(ITEMS + 1)
        corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 10_000), clicked([0.25] * 4, as_of=1000))
        found.append(corrected(expectation, expected([0.25] * 4, 1), clicked([0.25] * 4, as_of=later))[0, 0].item())
    assert found[0] < 0.15
    assert found[1] == pytest.approx(0.25, abs=1e-6)


def test_users_of_whom_nothing_is_known_and_items_that_are_no_candidates_teach_nothing() -> None:
    live = clicked([0.25] * 4)
    scores = expected([0.7, 0.1, 0.1, 0.1], 1000)
    nobody = Expectation(ITEMS + 1)
    nobody.correct(scores.clone(), [live], [1000], ROWS, torch.zeros(1000, dtype=torch.bool))
    unknown = torch.zeros(1000, ITEMS, dtype=torch.bool)
    unknown[:, 0] = True
    others = Expectation(ITEMS + 1)
    corrected(others, scores, live, unknown)
    for expectation in (nobody, others):
        found = corrected(expectation, expected([0.25] * 4, 1), live)
        assert found[0, 1:].tolist() == pytest.approx([found[0, 1].item()] * 3)
    assert corrected(nobody, expected([0.25] * 4, 1), live)[0, 0].item() == pytest.approx(0.25)


def test_each_moment_is_corrected_by_its_own_clicks() -> None:
    expectation = Expectation(ITEMS + 1)
    corrected(expectation, expected([0.25] * 4, 100_000), clicked([0.25] * 4))
    scores = expected([0.25] * 4, 2)
    first, second = [0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]
    asked = torch.ones(2, dtype=torch.bool)
    expectation.correct(scores, [clicked(first), clicked(second)], [1, 1], ROWS, asked)
    torch.testing.assert_close(scores.softmax(1), torch.tensor([first, second]), atol=2e-3, rtol=0.0)


def test_a_right_model_stays_as_it_is_also_where_popularity_lists_few_items() -> None:
    """Of items that are not listed only the sum of the clicks is known."""
    items, listed = 2000, 200
    shares = 1 / torch.arange(1, items + 1).float()
    shares /= shares.sum()
    rows, columns = torch.arange(items) + 1, torch.arange(listed)
    logs = shares[:listed].log()
    now = PopularityChances(
        columns=columns,
        logs=torch.stack([logs, logs]),
        shares=shares[:listed],
        others=float(shares[listed - 1]),
        clicks=1e6,
        as_of=1000,
        half_life_ms=1e6,
    )
    expectation, scores = Expectation(items + 1), shares.log().repeat(500, 1)
    asked = torch.ones(500, dtype=torch.bool)
    for _ in range(2):
        found = scores.clone()
        expectation.correct(found, [now], [500], rows, asked)
    torch.testing.assert_close(found.softmax(1)[0], shares, atol=1e-6, rtol=1e-3)


def test_it_corrects_towards_what_is_clicked_and_not_beyond_where_users_differ() -> None:
    """Half as many users as in training want each of two things, and the model sees what nine of ten want."""
    expectation = Expectation(ITEMS + 1)
    sees = torch.tensor([[0.9, 0.1 - 2e-6, 1e-6, 1e-6], [0.1 - 2e-6, 0.9, 1e-6, 1e-6]])
    kinds = torch.tensor([0] * 820 + [1] * 180)  # of 1,000 users, 900 want the first one
    now = clicked([0.9, 0.1, 0.0, 0.0], clicks=1e6)
    corrected(expectation, sees[kinds].log(), now)
    mean = corrected(expectation, sees[kinds].log(), now).mean(0)
    plain = sees[kinds].mean(0)
    assert plain[0] < mean[0] < 0.9


def test_a_row_that_is_not_finite_harms_nobody_else() -> None:
    expectation, live = Expectation(ITEMS + 1), clicked([0.25] * 4)
    broken = torch.full((2, ITEMS), torch.nan)
    broken[1] = -torch.inf
    corrected(expectation, broken, live)
    assert corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 3), live).isfinite().all()
    assert corrected(expectation, expected([0.7, 0.1, 0.1, 0.1], 3), live).isfinite().all()


def test_a_copy_begins_with_what_is_known_and_goes_its_own_way() -> None:
    expectation, live = Expectation(ITEMS + 1), clicked([0.25] * 4)
    scores = expected([0.7, 0.1, 0.1, 0.1], 1000)
    corrected(expectation, scores, live)
    once = corrected(expectation, scores[:1], live)
    twin = expectation.copied(ITEMS + 1)
    torch.testing.assert_close(corrected(twin, scores[:1], live), once, atol=1e-3, rtol=0.0)
    corrected(twin, expected([0.1, 0.7, 0.1, 0.1], 100_000), live)
    torch.testing.assert_close(corrected(expectation, scores[:1], live), once, atol=1e-3, rtol=0.0)


def two_places() -> PopularNow:
    """Column 0 is what sessions begin with, column 1 what is clicked inside; a thousand clicks of each."""
    shares = [[0.5, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    anywhere, inside, start = (torch.tensor(one)[:2].unsqueeze(1).expand(2, 2) for one in shares)
    facts = torch.cat([anywhere, torch.zeros(2, 1)], 1)
    now = Realtime(
        popular=ROWS[:2],
        facts=facts,
        placed=torch.stack([inside, start]),
        clicks=(2000.0, 1000.0, 1000.0),
        as_of=1000,
        half_life_ms=1000.0,
    )
    slot = torch.full((ITEMS + 1,), -1)
    slot[ROWS] = torch.arange(ITEMS)
    return PopularNow(now, slot)


def asked(how: int, places: Tensor) -> Tensor:
    """Chances of users of whom the model expects the same, after many others at both places; (users, ITEMS)."""
    expectations, now = Expectations(ITEMS + 1), two_places()
    for before in (torch.arange(60_000) % 3, places):
        scores = torch.zeros(len(before), ITEMS)
        counted = torch.ones(len(before), dtype=torch.bool)
        expectations.correct(how, scores, [now], [len(before)], ROWS, counted, before)
    return scores.softmax(1)


def test_by_place_users_get_what_is_clicked_where_they_are() -> None:
    found = asked(BY_PLACE, torch.tensor([Place.START, Place.INSIDE, Place.START, Place.ANYWHERE]))
    torch.testing.assert_close(found[0], torch.tensor([1.0, 0.0, 0.0, 0.0]), atol=0.02, rtol=0.0)
    torch.testing.assert_close(found[1], torch.tensor([0.0, 1.0, 0.0, 0.0]), atol=0.02, rtol=0.0)
    torch.testing.assert_close(found[2], found[0])
    torch.testing.assert_close(found[3], torch.tensor([0.5, 0.5, 0.0, 0.0]), atol=0.02, rtol=0.0)
    torch.testing.assert_close(asked(BY_PLACE, torch.tensor([Place.START]))[0], found[0], atol=1e-3, rtol=0.0)


def test_by_all_users_get_what_is_clicked_anywhere() -> None:
    found = asked(BY_ALL, torch.tensor([Place.START, Place.INSIDE]))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], torch.tensor([0.5, 0.5, 0.0, 0.0]), atol=0.02, rtol=0.0)


def test_a_copy_expects_the_same_at_each_place_and_goes_its_own_way() -> None:
    expectations, now = Expectations(ITEMS + 1), two_places()

    def correct(some: Expectations, scores: Tensor) -> Tensor:
        counted, places = torch.ones(len(scores), dtype=torch.bool), torch.full((len(scores),), Place.START)
        some.correct(BY_PLACE, scores, [now], [len(scores)], ROWS, counted, places)
        return scores

    correct(expectations, torch.zeros(1000, ITEMS))
    correct(expectations, torch.zeros(1, ITEMS))
    twin = expectations.copied(ITEMS + 1)
    expected_then = correct(expectations, torch.zeros(1, ITEMS))
    correct(expectations, torch.tensor([[9.0, 0.0, 0.0, 0.0]]).repeat(5000, 1))
    torch.testing.assert_close(correct(twin, torch.zeros(1, ITEMS)), expected_then, atol=0.02, rtol=0.0)


@pytest.mark.parametrize("how", [BY_ALL, BY_PLACE])
def test_a_right_model_stays_as_it_is_where_a_popular_item_begins_no_session(how: int) -> None:
    """Of items that are not listed it is not known how often they begin one, but not that they hardly ever do."""
    items, listed = 550, 50
    counts = torch.tensor([1000.0] * listed + [300.0] * (items - listed))
    starts = counts / 2
    starts[0] = 0.0
    at_places = [counts, counts - starts, starts]
    shares = [one / one.sum() for one in at_places]
    popular = PopularNow(
        Realtime(
            popular=torch.arange(1, listed + 1),
            facts=torch.cat([shares[0][:listed, None].expand(-1, 2), torch.zeros(listed, 1)], 1),
            placed=torch.stack([one[:listed, None].expand(-1, 2) for one in shares[1:]]),
            clicks=tuple(float(one.sum()) for one in at_places),
            as_of=1000,
            half_life_ms=1e9,
        ),
        torch.arange(-1, items),
    )
    expectations, rows = Expectations(items + 1), torch.arange(1, items + 1)
    for _ in range(2):
        places = torch.arange(3000) % 2 + 1
        expected_at = torch.stack(shares).clamp(min=1e-6).log()
        scores = expected_at[places] if how == BY_PLACE else expected_at[:1].repeat(len(places), 1)
        found = scores.clone()
        counted = torch.ones(len(places), dtype=torch.bool)
        expectations.correct(how, found, [popular], [len(places)], rows, counted, places)
    assert (found - scores).abs().max() < 0.1


def test_users_of_one_batch_are_corrected_as_by_themselves() -> None:
    """Several moments, one without a user; both places; some users do not count, and some items are unknown."""
    draw = torch.Generator().manual_seed(0)
    sizes = [3, 0, 4, 1, 2]
    users = sum(sizes)

    def moment(number: int) -> PopularNow:
        facts = torch.cat([torch.rand(2, 2, generator=draw) / 3, torch.zeros(2, 1)], 1)
        placed = torch.rand(2, 2, 2, generator=draw) / 3
        clicks = (500.0, 300.0, 200.0)
        now = Realtime(
            popular=ROWS[:2], facts=facts, placed=placed, clicks=clicks, as_of=100 * number, half_life_ms=1000.0
        )
        slot = torch.full((ITEMS + 1,), -1)
        slot[ROWS] = torch.arange(ITEMS)
        return PopularNow(now, slot)

    moments = [moment(number) for number in range(len(sizes))]
    scores, places = torch.randn(users, ITEMS, generator=draw), torch.randint(0, 3, (users,), generator=draw)
    counted = torch.rand(users, generator=draw) < 0.7
    unknown = torch.rand(users, ITEMS, generator=draw) < 0.2
    unknown[:, 0] = False
    found = scores.clone()
    Expectations(ITEMS + 1).correct(BY_PLACE, found, moments, sizes, ROWS, counted, places, unknown)
    expected_of = scores.clone()
    everybody = Expectation(ITEMS + 1)
    everybody.correct(expected_of, [one.at(Place.ANYWHERE) for one in moments], sizes, ROWS, counted, unknown)
    alone = {place: Expectation(ITEMS + 1) for place in Place}
    begin = 0
    for now, size in zip(moments, sizes, strict=True):
        for place, expectation in alone.items():
            here = [row for row in range(begin, begin + size) if places[row] == place]
            if here:
                part = expected_of[here]
                expectation.correct(part, [now.at(place)], [len(here)], ROWS, counted[here], unknown[here])
                expected_of[here] = part
        begin += size
    torch.testing.assert_close(found, expected_of)
    assert not torch.allclose(found, scores)


@pytest.mark.parametrize(("asked_here", "clicked_here"), [(0, 1e4), (10_000, 0.0), (0, 0.0)])
def test_where_few_have_asked_or_clicked_the_model_is_wrong_as_it_is_of_all(
    asked_here: int, clicked_here: float
) -> None:
    """It expects one item too little, and one that is not even listed any more far too often."""
    model = torch.tensor([0.05, 0.15, 0.5, 0.3])
    live, listed = torch.tensor([0.4, 0.3, 0.0, 0.3]), [0, 1, 3]
    shares = live[listed, None].expand(-1, 2)
    slot = torch.full((ITEMS + 1,), -1)
    slot[ROWS] = torch.arange(ITEMS)
    popular = PopularNow(
        Realtime(
            popular=ROWS[listed],
            facts=torch.cat([shares, torch.zeros(3, 1)], 1),
            placed=torch.stack([shares, shares]),
            clicks=(2e4, 2e4 - clicked_here, clicked_here),
            as_of=1000,
            half_life_ms=1000.0,
        ),
        slot,
    )
    expectations = Expectations(ITEMS + 1)

    def correction(place: Place, users: int) -> Tensor:
        scores = model.log().repeat(users, 1)
        places, counted = torch.full((users,), int(place)), torch.ones(users, dtype=torch.bool)
        expectations.correct(BY_PLACE, scores, [popular], [users], ROWS, counted, places)
        return (scores[:1] - model.log()).softmax(1)

    for _ in range(300):
        correction(Place.INSIDE, 20)
        correction(Place.START, asked_here // 300)
    torch.testing.assert_close(correction(Place.START, 1), correction(Place.INSIDE, 1), atol=0.02, rtol=0.05)
    (start,) = correction(Place.START, 1)
    assert start[0] > 10 * start[2]


def test_two_steps_come_closer_to_what_is_clicked_where_users_differ() -> None:
    """As in the test of one step, which leaves a part of the way."""
    sees = torch.tensor([[0.9, 0.1 - 2e-6, 1e-6, 1e-6], [0.1 - 2e-6, 0.9, 1e-6, 1e-6]])
    kinds = torch.tensor([0] * 820 + [1] * 180)
    now = clicked([0.9, 0.1, 0.0, 0.0], clicks=1e6)
    one, expectations = Expectation(ITEMS + 1), Expectations(ITEMS + 1)
    popular = Mock(at=lambda _: now)
    counted, places = torch.ones(1000, dtype=torch.bool), torch.zeros(1000, dtype=torch.int64)
    for _ in range(50):
        twice = sees[kinds].log()
        once = corrected(one, sees[kinds].log(), now).mean(0)[0]
        expectations.correct(BY_ALL, twice, [popular], [1000], ROWS, counted, places)
    assert sees[kinds].mean(0)[0] < once < twice.softmax(1).mean(0)[0] < 0.901
