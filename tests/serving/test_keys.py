"""Keys: the file, its faults, and that it can change while the service runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mos_online.errors import SettingsError
from mos_online.settings import Settings
from serving.http.keys import MAX_KEYS, KeyRing, make_key, open_keys, read_keys


def write(file: Path, *lines: str) -> Path:
    """Replace a file as an editor does; its mode is for us alone."""
    draft = file.with_suffix(".draft")
    draft.write_text("\n".join(lines), encoding="utf-8")
    draft.chmod(0o600)
    draft.replace(file)
    return file


def test_a_key_is_random_and_only_its_hash_is_written() -> None:
    (first, entry), (second, _) = make_key("web", ["recommend"]), make_key("web", ["recommend"])
    assert first != second
    assert len(first) == 64
    assert first not in entry.line()
    assert entry.line().startswith("web recommend sha256:")


def test_a_key_of_the_file_is_found_with_its_scopes_and_no_other_is(tmp_path: Path) -> None:
    web, web_entry = make_key("web", ["recommend"])
    ops, ops_entry = make_key("ops", ["admin", "write"])
    file = write(tmp_path / "keys", "# the keys", "", web_entry.line(), f"  {ops_entry.line()}  ")
    keys = KeyRing(api_key="own", file=file)
    assert keys.needed
    for given, key_id, scopes in (
        (web, "web", {"recommend"}),
        (ops, "ops", {"admin", "write"}),
        ("own", "MOS_API_KEY", {"recommend", "write", "admin"}),
    ):
        found = keys.find(given)
        assert found is not None
        assert found.id == key_id
        assert set(found.scopes) == scopes
    for given in ("", web[:-1], web + "0", web.upper(), "\xff", web_entry.digest.hex()):
        assert keys.find(given) is None


def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    (old, old_entry), (new, new_entry) = make_key("old", ["recommend"]), make_key("new", ["recommend"])
    file = write(tmp_path / "keys", old_entry.line())
    keys = KeyRing(api_key=None, file=file)
    write(file, old_entry.line(), new_entry.line())
    keys.refresh()
    assert keys.find(old)
    assert keys.find(new)
    write(file, new_entry.line())
    keys.refresh()
    assert not keys.find(old)
    assert keys.find(new)
    write(file, "")  # nobody may ask; that is no reason to let everybody in
    keys.refresh()
    assert keys.needed
    assert not keys.find(new)


def test_a_file_that_is_rewritten_in_place_within_a_moment_is_noticed(tmp_path: Path) -> None:
    (one, one_entry), (two, two_entry) = make_key("k", ["recommend"]), make_key("k", ["recommend"])
    file = write(tmp_path / "keys", one_entry.line())
    keys = KeyRing(api_key=None, file=file)
    file.write_text(two_entry.line())  # the same size
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    keys.refresh()
    assert keys.find(two)
    assert not keys.find(one)


def test_a_file_that_cannot_be_read_later_leaves_the_keys_from_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, entry = make_key("web", ["recommend"])
    file = write(tmp_path / "keys", entry.line())
    keys = KeyRing(api_key=None, file=file)
    for damage in (lambda: write(file, "web recommend hunter2"), lambda: file.chmod(0o666), file.unlink):
        damage()
        keys.refresh()
        assert keys.problem
        assert keys.find(key)
    assert "hunter2" not in caplog.text  # a key that somebody wrote there as it is
    assert "the keys from before hold" in caplog.text
    write(file, entry.line())
    keys.refresh()
    assert keys.problem is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["web"], "line 1: a line has the form"),
        (["# c", "web recommend sha256:12"], "line 2: a line has the form"),
        ([f"web recommend md5:{'0' * 64}"], "a line has the form"),
        ([f"we/b recommend sha256:{'0' * 64}"], "a line has the form"),
        ([f"web root,recommend sha256:{'0' * 64}"], "no scope 'root'; there are: recommend, write, admin"),
        ([f"web recommend sha256:{'0' * 64}", f"web admin sha256:{'1' * 64}"], "same id"),
        ([f"MOS_API_KEY recommend sha256:{'0' * 64}"], "same id"),
        ([f"k{n} recommend sha256:{n:064x}" for n in range(MAX_KEYS + 1)], f"{MAX_KEYS} are allowed"),
    ],
)
def test_a_line_that_is_no_key_is_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_keys(write(tmp_path / "keys", *lines))


def test_as_many_keys_as_are_allowed(tmp_path: Path) -> None:
    lines = [f"k{n} recommend sha256:{n:064x}" for n in range(MAX_KEYS)]
    assert len(read_keys(write(tmp_path / "keys", *lines))) == MAX_KEYS


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "keys", make_key("web", ["recommend"])[1].line())
    file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_keys(file)


def test_a_missing_file_and_pages_without_a_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MOS_API_KEYS_FILE="):
        open_keys(Settings(api_keys_file=tmp_path / "none"))
    with pytest.raises(SettingsError, match="MOS_PAGES_NEED_KEY"):
        open_keys(Settings(pages_need_key=True))
    assert not open_keys(Settings()).needed


@pytest.mark.parametrize(("name", "scopes"), [("a b", ["recommend"]), ("", ["recommend"]), ("web", []), ("web", ["x"])])
def test_an_impossible_key_is_not_made(name: str, scopes: list[str]) -> None:
    with pytest.raises(SettingsError):
        make_key(name, scopes)
