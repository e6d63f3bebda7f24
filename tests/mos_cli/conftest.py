"""The ``mos`` command, run in this process as a shell would run it."""

from __future__ import annotations

import sys

import pytest

from mos_cli.main import main
from mos_online.settings import Settings, settings
from tests.mos_cli.mos_runs import Answer, Mos


@pytest.fixture
def mos(mos_home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mos:
    """``mos("train", "--themes", "3")`` with an empty MOS_HOME; the environment is read anew every time."""

    def run(*arguments: str) -> Answer:
        settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["mos", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, printed.out, printed.err)

    return run
