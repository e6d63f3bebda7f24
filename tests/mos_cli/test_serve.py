"""``mos serve`` before Ray starts: what can be wrong already, and how it is said."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from mos_cli.main import command_line, main
from mos_online.settings import Settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MOS_API_KEY", ""),
        ("MOS_API_KEYS_FILE", "/no/such/file"),
        ("MOS_PAGES_NEED_KEY", "true"),
        ("MOS_MODELS", "nowhere://models"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said_before_ray_starts(
    mos_home: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "argv", ["mos", "serve"])
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it would fail: nobody waits for Ray to learn this
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert variable in capsys.readouterr().err


def test_an_impossible_port_is_named(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(command_line(["serve"]), ["serve", "--port", "70000"])
    assert "MOS_SERVE_PORT=70000" in str(result.exception)


def test_help_explains_every_option() -> None:
    result = CliRunner().invoke(command_line(["serve"]), ["serve", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for words in ("--host", "--port", "--replicas", "MOS_SERVE_PORT", "RAY_ADDRESS"):
        assert words in result.output
