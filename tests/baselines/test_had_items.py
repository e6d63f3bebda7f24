"""What a user had is remembered, within bounds."""

from __future__ import annotations

import pytest

from mos_online.baselines import HadItems, had_items
from mos_online.contracts import SESSION_END, Click


def click(user: str, item: str, event_type: str = "click") -> Click:
    return Click(event_id=f"{user}{item}", user_id=user, item_id=item, timestamp=0, event_type=event_type)


def test_items_of_one_user_are_not_those_of_another() -> None:
    had = HadItems()
    for one in (click("u", "x"), click("v", "y"), click("u", "z"), click("u", "", SESSION_END)):
        had.observe(one)
    assert set(had.of("u")) == {"x", "z"}
    assert set(had.of("v")) == {"y"}
    assert not had.of("nobody")


def test_the_newest_items_and_users_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(had_items, "REMEMBERED_ITEMS", 2)
    monkeypatch.setattr(had_items, "REMEMBERED_USERS", 2)
    had = HadItems()
    for item in "abac":
        had.observe(click("u", item))
    assert set(had.of("u")) == {"a", "c"}
    for user in "vuw":
        had.observe(click(user, "x"))
    assert not had.of("v")
    assert set(had.of("u")) == {"c", "x"}
