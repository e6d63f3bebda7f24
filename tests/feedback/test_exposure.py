"""What is shown and clicked, by theme and by popularity."""

from __future__ import annotations

import pytest

from mos_online.feedback import exposure as module
from mos_online.feedback.exposure import ClickShares, Exposure
from mos_online.feedback.joiner import Joiner
from tests.feedback.feedback_log import RULES, Event, click, decision, give, impression


def test_shown_and_clicked_items_are_counted_by_theme_and_by_how_we_know_it() -> None:
    joiner, exposure = Joiner(RULES), Exposure()
    events: list[Event] = [
        decision("r", 1000),
        click(0, 1001, "a", "r"),
        click(1, 1002, "a", "r"),
        decision("s", 1500, items="abc"),
        impression("i", "s", 1501, "c"),
        click(2, 1502, "b", "s"),
        decision("t", 2000, trigger="test"),
    ]
    for offset, event in enumerate(events):
        give(joiner, event, offset)
    for outcome in joiner.advance(9000):
        exposure.outcome(outcome)

    assert exposure.shown == {("request", 1): 2, ("impressions", 1): 1}
    assert exposure.clicked == {("request", 1): 1}, "b was not shown, as far as we know"
    assert exposure.items == {"shown": 3, "clicked": 0}


def test_the_popularity_of_an_item_is_its_share_of_the_clicks_before() -> None:
    exposure = Exposure()
    for item in "aaab":
        exposure.click(item)
    assert exposure.popularity["clicked"] == pytest.approx(0 + 1 + 1 + 0)
    exposure.clear()
    joiner = Joiner(RULES)
    give(joiner, decision("r", 1000, items="abc"), 0)
    (outcome,) = joiner.advance(9000)
    exposure.outcome(outcome)
    assert exposure.popularity["shown"] == pytest.approx(0.75 + 0.25)
    assert exposure.items == {"shown": 3, "clicked": 0}


def test_old_clicks_fade_and_their_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    shares = ClickShares()
    for item in "aaaaaaaabc":
        shares.add(item)
    assert [shares.share(item) for item in "abc"] == [1.0, 0.0, 0.0]
