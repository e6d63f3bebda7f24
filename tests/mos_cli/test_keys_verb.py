"""``mos keys``: the line is on standard output, the key beside it."""

from __future__ import annotations

import re
from pathlib import Path

from mos_online.settings import Settings
from serving.http.keys import KeyRing
from tests.mos_cli.mos_runs import Mos


def test_the_line_goes_into_the_file_and_the_key_to_the_client(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    answer = mos("keys", "create", "shop", "--scopes", "recommend,admin")
    assert answer.status == 0
    (key,) = re.findall(r"\b[0-9a-f]{64}$", answer.err, re.MULTILINE)
    assert key not in answer.out
    file = tmp_path / "keys"
    file.write_text(answer.out)
    file.chmod(0o600)
    found = KeyRing(api_key=None, file=file).find(key)
    assert found is not None
    assert (found.id, sorted(found.scopes)) == ("shop", ["admin", "recommend"])


def test_an_unknown_scope_is_refused_with_the_known_ones(mos: Mos, mos_home: Settings) -> None:
    answer = mos("keys", "create", "shop", "--scopes", "root")
    assert answer.status == 2
    assert "recommend, write, admin" in answer.err
