"""A model's expectation is learned once for each click of a user."""

from __future__ import annotations

import pytest

from mos_online.recommend import askers
from mos_online.recommend.askers import Askers


def test_a_user_counts_again_only_after_another_click() -> None:
    asked = Askers()
    assert [asked.clicked("u", at) for at in (5, 5, 7, 7, 6, 8)] == [True, False, True, False, False, True]
    assert asked.clicked("v", 5)


def test_those_who_asked_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(askers, "KEPT", 2)
    asked = Askers()
    assert [asked.clicked(user, 1) for user in "abacab"] == [True, True, False, True, False, True]
    assert len(asked._newest) == 2
