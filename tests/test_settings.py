"""Every fault of the environment is named after its variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mos_online.errors import SettingsError
from mos_online.settings import Settings
from mos_online.system_settings import PREFIX


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_the_environment_is_read_and_options_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_PARTITIONS", "3")
    monkeypatch.setenv("MOS_HOME", "/somewhere")
    assert Settings.load().partitions == 3
    loaded = Settings.load(partitions=5, home=None)
    assert (loaded.partitions, loaded.home) == (5, Path("/somewhere"))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("MOS_PARTITION", "MOS_PARTITIONS"), ("MOS_SESION_GAP", "MOS_SESSION_GAP"), ("MOS_API_KEYS", "MOS_API_KEY")],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=rf"{name}\b.*did you mean {nearest}\?"):
        Settings.load()


def test_a_variable_like_no_other_lists_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_QQQQQQQQQQ", "1")
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert all(PREFIX + field.upper() in str(raised.value) for field in Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOS_PARTITIONS", "many"),
        ("MOS_PARTITIONS", "0"),
        ("MOS_SESSION_GAP", "0"),
        ("MOS_SESSION_LATENESS", "-1"),
        ("MOS_SERVE_PORT", "65536"),
        ("MOS_NAMESPACE", "with space"),
        ("MOS_NAMESPACE", "x" * 65),
        ("MOS_LOG_LEVEL", "LOUD"),
        ("MOS_API_KEY", ""),
        ("MOS_API_KEY", " "),
        ("MOS_API_KEY", "two words"),
        ("MOS_API_KEY", "schlüssel"),
        ("MOS_API_KEY", "key\n"),
        ("MOS_TRUSTED_PROXIES", "proxy.example"),
        ("MOS_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("MOS_KAFKA_SECURITY_PROTOCOL", "TLS"),
    ],
)
def test_an_impossible_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    shown = r"\(not shown\)" if name == "MOS_API_KEY" else f"'{value}'"
    with pytest.raises(SettingsError, match=f"{name}={shown}"):
        Settings.load()


def test_all_impossible_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_PARTITIONS", "0")
    monkeypatch.setenv("MOS_SERVE_PORT", "0")
    with pytest.raises(SettingsError, match=r"(?s)MOS_PARTITIONS.*; .*MOS_SERVE_PORT"):
        Settings.load()


def test_an_impossible_option_is_refused_by_the_name_of_its_variable() -> None:
    with pytest.raises(SettingsError, match="MOS_PARTITIONS=0"):
        Settings.load(partitions=0)


def test_rules_of_sessions_are_in_milliseconds() -> None:
    rules = Settings.load(
        session_gap=1.5,
        session_lateness=0.25,
        session_max_duration=60,
        session_idle_timeout=2,
        session_max_future=3,
        session_max_events=7,
    ).sessions
    assert (rules.gap, rules.lateness, rules.max_duration) == (1500, 250, 60_000)
    assert (rules.idle_timeout, rules.max_future, rules.max_events) == (2000, 3000, 7)


def test_a_namespace_goes_before_topics_and_groups() -> None:
    assert (Settings.load().topic("clicks"), Settings.load().group("tail")) == ("clicks", "mos-online-tail")
    ours = Settings.load(namespace="team-a.")
    assert (ours.topic("clicks"), ours.group("tail")) == ("team-a.clicks", "team-a.mos-online-tail")


def test_where_the_service_is() -> None:
    assert Settings.load(serve_host="h", serve_port=9).recommend_url == "http://h:9"
    assert Settings.load(serve_url="https://elsewhere/mos/").recommend_url == "https://elsewhere/mos"


def test_everything_written_is_below_home() -> None:
    loaded = Settings.load(home=Path("/h"))
    assert all(path.is_relative_to("/h") for path in (loaded.feast_dir, loaded.broker_file))
    assert loaded.models_location == "/h/models"


def test_models_may_be_elsewhere() -> None:
    assert Settings.load(models="s3://bucket/models").models_location == "s3://bucket/models"


def test_paths_hold_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    moved = Settings.load(home=Path("h"), models="m").with_absolute_paths()
    assert (moved.home, moved.models) == (tmp_path / "h", str(tmp_path / "m"))
    assert Settings.load(models="s3://b/m").with_absolute_paths().models == "s3://b/m"
    assert Settings.load().with_absolute_paths().models is None


def test_a_refused_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_API_KEY", "sécret")
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert "MOS_API_KEY" in str(raised.value)
    assert "cret" not in str(raised.value).replace("MOS_API_KEY", "")


def test_trusted_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,2001:db8::/32")
    assert Settings.load().proxies == ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")


IMPOSSIBLE = {
    "MOS_SESSION_GAP": [
        "inf",
        "nan",
        "-inf",
        "-1",
        "0",
        "1e300",
        "1e-9",
        "1 800",
        "\u0663\u0660",
        "0x10",
        "",
        " ",
        "5 ",
    ],
    "MOS_SESSION_MAX_EVENTS": ["inf", "0", "-1", "9" * 40, "1.5", "\uff15", "5\r"],
    "MOS_SESSION_REVISION": ["0", "9" * 40],
    "MOS_SERVE_PORT": ["0", "65536", "\uff18\uff10", "80 ", "1e3", "", "-1"],
    "MOS_SERVE_REPLICAS": ["0", "many", "9" * 40],
    "MOS_SERVE_HOST": ["", "[::1]", "http://localhost", "a b", "localhost:80"],
    "MOS_WORKER_HOST": ["", "[::]", "a b"],
    "MOS_SERVE_URL": ["", "localhost:8000", "ftp://a", "http://", "http://a:99999", "http://a/?b=c", "http://a:0"],
    "MOS_KAFKA": ["", "kafka", ":9092", "kafka:0", "kafka:99999", "a:1,", "a:1,b", "http://a:1", "::1:9092"],
    "MOS_HOME": ["", " ", "/etc/passwd", "/etc/passwd/below", "home\n"],
    "MOS_DATA_DIR": ["", "/etc/passwd"],
    "MOS_SESSION_PUBLISHER_IDS": ["", "maybe", "2"],
    "MOS_LOG_LEVEL": ["", "info", "LOUD"],
    "MOS_API_KEY": ["", " ", "a b"],
    "MOS_NAMESPACE": ["a b", "a\n", "\u00e9", "a" * 65],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, them in IMPOSSIBLE.items() for value in them])
def test_an_impossible_value_is_refused_with_the_name_of_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOS_KAFKA", "kafka-1:9092,kafka-2.example.com:9092"),
        ("MOS_KAFKA", "[::1]:9092"),
        ("MOS_SERVE_HOST", "::"),
        ("MOS_SERVE_HOST", "fe80::1%eth0"),
        ("MOS_SERVE_URL", "https://user:word@example.com/mos/"),
        ("MOS_SESSION_GAP", "0.5"),
        ("MOS_HOME", "/tmp/a folder/that does not exist"),
        ("MOS_NAMESPACE", ""),
        ("MOS_TRUSTED_PROXIES", ""),
        ("MOS_KAFKA_SASL_PASSWORD", " word "),
    ],
)
def test_a_possible_value_is_taken_as_it_is(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert str(getattr(Settings.load(), name.removeprefix("MOS_").lower())) == value


@pytest.mark.parametrize("name", ["MOS_HOM", "mos_home", "Mos_Partitions", "MOS_SERVE_PROT"])
def test_a_misspelt_name_is_refused_with_the_nearest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"unknown setting {name}: did you mean MOS_"):
        Settings.load()


def test_rules_of_any_allowed_settings_can_be_made() -> None:
    longest = dict.fromkeys(("session_gap", "session_lateness", "session_max_duration"), 10 * 365 * 86_400)
    assert Settings.load(**longest).sessions.gap < 2**53
    assert Settings.load(session_gap=0.001, session_max_duration=0.001, session_idle_timeout=0.001).sessions.gap == 1


def test_ipv6_addresses_stand_in_brackets() -> None:
    assert Settings.load(serve_host="::1", serve_port=9).recommend_url == "http://[::1]:9"
    assert Settings.load(serve_host="::", serve_port=9).local_serve_url == "http://[::1]:9"
    assert Settings.load(serve_host="0.0.0.0", serve_port=9).recommend_url == "http://127.0.0.1:9"


@pytest.mark.parametrize("value", ["*", "https://a.example", "http://a.example:80,https://b", "https://[::1]:8443"])
def test_origins_that_are_possible(value: str, mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_CORS_ORIGINS", value)
    assert Settings.load().origins == tuple(value.split(","))


@pytest.mark.parametrize("value", ["a.example", "https://a.example/", "https://a.example/path", "https://*.example"])
def test_origins_that_are_not(value: str, mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_CORS_ORIGINS", value)
    with pytest.raises(SettingsError, match=r"MOS_CORS_ORIGINS.* is no origin"):
        Settings.load()
