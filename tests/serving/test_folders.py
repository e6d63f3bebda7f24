"""Folders that nobody else can enter, whatever others have prepared."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mos_online.errors import ServingError
from serving.ray.folders import is_private, private_folder, require_private


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_it_is_ours_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    folder = private_folder("mos-", parent=tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert is_private(folder)
    (folder / "inside").touch()


def test_a_parent_in_which_others_may_rename_is_refused(tmp_path: Path) -> None:
    for mode in (0o777, 0o770, 0o775):
        tmp_path.chmod(mode)
        with pytest.raises(ServingError, match=r"chmod 1777"):
            private_folder("mos-", parent=tmp_path)
    tmp_path.chmod(0o1777)
    assert is_private(private_folder("mos-", parent=tmp_path))


def test_what_others_could_have_prepared_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    require_private(real)
    link, file, open_folder = tmp_path / "link", tmp_path / "file", tmp_path / "open"
    link.symlink_to(real)
    file.touch(mode=0o700)
    open_folder.mkdir()
    open_folder.chmod(0o710)
    for prepared, why in (
        (link, "is no folder"),
        (file, "is no folder"),
        (open_folder, "open to others"),
        (tmp_path / "missing", "cannot be looked at"),
    ):
        with pytest.raises(ServingError, match=why):
            require_private(prepared)
    monkeypatch.setattr(os, "geteuid", lambda: real.stat().st_uid + 1)
    with pytest.raises(ServingError, match="belongs to user"):
        require_private(real)


def test_a_folder_that_is_replaced_while_it_is_made_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    link = tmp_path / "mos-link"
    link.symlink_to(prepared)
    monkeypatch.setattr("serving.ray.folders.tempfile.mkdtemp", lambda **_: str(link))
    with pytest.raises(ServingError, match="is no folder"):
        private_folder("mos-", parent=tmp_path)
