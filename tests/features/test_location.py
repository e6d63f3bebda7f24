from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.location import parse_location
from mos_online.errors import SettingsError


def options(store: str) -> dict[str, object]:
    """What Feast reads out of the connection string: it splits at commas, then takes each value as JSON."""
    _, *pairs = str(parse_location(store).feast["connection_string"]).split(",")
    return {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in pairs)}


def test_sqlite_lives_in_the_feast_folder() -> None:
    assert parse_location("sqlite").feast == {"type": "sqlite", "path": "online_store.db"}


def test_redis_url_is_taken_apart() -> None:
    location = parse_location("rediss://app:s%40cret@cache.example:6380/3")
    assert str(location.feast["connection_string"]).startswith("cache.example:6380,")
    seen = options("rediss://app:s%40cret@cache.example:6380/3")
    assert {name: seen[name] for name in ("db", "ssl", "username", "password")} == {
        "db": 3,
        "ssl": True,
        "username": "app",
        "password": "s@cret",
    }


def test_port_and_database_have_defaults_and_nothing_else_is_sent() -> None:
    assert parse_location("redis://cache").label == "redis://cache:6379/0"
    assert options("redis://cache").keys().isdisjoint({"ssl", "username", "password"})


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="%/?#@[]:"), min_size=1))
def test_any_password_reaches_redis_as_it_is(password: str) -> None:
    store = f"redis://:{password}@cache"
    assert options(store)["password"] == password
    assert "$" not in str(parse_location(store).feast["connection_string"])


@pytest.mark.parametrize(
    ("store", "complaint"),
    [
        ("postgres://db", "unknown scheme 'postgres'"),
        ("redis", "not a URL"),
        ("redis://", "the host is missing"),
        ("redis://cache:port", "Port could not be cast"),
        ("redis://cache/first", "the database must be a number, not 'first'"),
        ("redis://[::1]:6379", "IPv6"),
        ("redis://cache?ssl=true", "options after"),
    ],
)
def test_what_cannot_be_used_is_refused(store: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match="MOS_STORE") as caught:
        parse_location(store)
    assert complaint in str(caught.value)
    assert "allowed:" in str(caught.value)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_location("redis://:hunter2@cache/first")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in parse_location("redis://:hunter2@cache").label
