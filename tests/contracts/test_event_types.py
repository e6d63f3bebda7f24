"""The table of event types: what it says, what it refuses, and that it stays small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import EventTypes
from mos_online.contracts.event_types import REMEMBERED
from mos_online.errors import SettingsError
from mos_online.settings import Settings


def test_the_table_that_is_used_if_none_is_given() -> None:
    types = EventTypes.parse(Settings().event_types)
    actions = {name: types[name].weight for name in ("view", "click", "cart", "purchase", "unheard of")}
    assert actions == {"view": 1, "click": 1, "cart": 3, "purchase": 5, "unheard of": 1}
    assert (types["impression"].kind, types["session_end"].kind) == ("exposure", "end")
    assert [types[name].declared for name in ("view", "impression", "session_end", "unheard of")] == [True] * 3 + [
        False
    ]


@given(st.sampled_from(["view", "impression", "session_end"]), st.sampled_from(["", " ", "\t ", "\n"]), st.randoms())
def test_case_and_blanks_around_a_type_do_not_matter(name: str, blanks: str, random: object) -> None:
    types = EventTypes.parse()
    for spelling in (name.upper(), name.title(), blanks + name + blanks, blanks + name.swapcase()):
        assert types[spelling] is types[name]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "no name or no meaning"),
        ("view:1", "does not say what other types mean"),
        ("view,*:1", "no name or no meaning"),
        (":1,*:1", "no name or no meaning"),
        ("view:1,View :2,*:1", "'view' comes twice"),
        ("view:1,*:1,*:2", "'*' comes twice"),
        ("view:,*:1", "view::"),
        ("view:-1,*:1", "view:-1: a weight is a number from 0 to 1000"),
        ("view:nan,*:1", "view:nan"),
        ("view:inf,*:1", "view:inf"),
        ("view:1e4,*:1", "view:1e4"),
        ("view:action,*:1", "view:action"),
        ("view:1,*:end", "an unknown type cannot end a session"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: str, words: str) -> None:
    with pytest.raises(SettingsError, match=r"\*:1") as refused:
        EventTypes.parse(table)
    assert words in str(refused.value)
    with pytest.raises(SettingsError, match="MOS_EVENT_TYPES"):
        Settings.load(event_types=table)


def test_a_name_may_have_a_colon_and_a_weight_may_be_zero() -> None:
    types = EventTypes.parse("app:view:0.5, remove : 0 ,*:reject")
    assert (types["app:view"].weight, types["remove"], types["other"].kind) == (0.5, ("action", 0.0, True), "reject")


def test_any_number_of_spellings_takes_little_memory_and_means_the_same() -> None:
    types = EventTypes.parse("view:2,*:exposure")
    for number in range(3 * REMEMBERED):
        assert types[f"type {number}"].kind == "exposure"
        assert types["view" + " " * (number % 200)].weight == 2
    assert len(types) == REMEMBERED
