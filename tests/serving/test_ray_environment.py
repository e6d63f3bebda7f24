"""What Ray is told through the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mos_online.errors import ModelError, ServingError
from mos_online.settings import Settings
from serving.ray.cluster import _deploy_fault, cluster_application
from serving.ray.environment import prepare_environment, remote, require_plain_paths


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    yield monkeypatch
    for name in [name for name in os.environ if name.startswith("RAY_") and name not in before]:
        del os.environ[name]


def test_only_this_run_may_talk_to_its_ray(no_ray: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tokens = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir(mode=0o700)
        prepare_environment(tmp_path / name, Settings())
        assert os.environ["RAY_AUTH_MODE"] == "token"
        tokens.add(os.environ.pop("RAY_AUTH_TOKEN"))
        del os.environ["RAY_AUTH_MODE"]
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)


def test_what_the_user_has_set_stays(no_ray: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_ray.setenv("RAY_AUTH_MODE", "disabled")
    no_ray.setenv("RAY_SERVE_HAPROXY_NBTHREAD", "7")
    no_ray.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    behind = prepare_environment(tmp_path, Settings())
    assert not behind
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert os.environ["RAY_SERVE_HAPROXY_NBTHREAD"] == "7"
    assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "0"


def test_nothing_is_told_to_anybody(no_ray: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare_environment(tmp_path, Settings())
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_what_is_executed_lies_where_nobody_else_can_write(no_ray: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_ray.setattr("serving.ray.environment.haproxy_binary", lambda: "/bin/echo")
    tmp_path.chmod(0o755)
    with pytest.raises(ServingError, match="open to others"):
        prepare_environment(tmp_path, Settings())
    tmp_path.chmod(0o700)
    (tmp_path / "haproxy").rmdir()
    assert prepare_environment(tmp_path, Settings())
    ours = [value for name, value in os.environ.items() if name.startswith("RAY_SERVE_HAPROXY") and value[0] == "/"]
    assert len(ours) >= 7
    assert all(Path(path).is_relative_to(tmp_path) for path in ours)


@pytest.mark.parametrize(("address", "expected"), [(None, False), ("", False), ("local", False), ("auto", True)])
def test_ray_address_chooses_between_this_machine_and_a_cluster(
    no_ray: pytest.MonkeyPatch, address: str | None, expected: bool
) -> None:
    if address is not None:
        no_ray.setenv("RAY_ADDRESS", address)
    assert remote() == expected


def test_a_replica_s_complaint_about_the_model_is_told_without_ray_s_traceback() -> None:
    message = (
        'Deploying failed\n  File "x.py", line 1\nmos_online.errors.ModelError: v1 is damaged: run `mos train`\n\n'
    )
    fault = _deploy_fault(message)
    assert isinstance(fault, ModelError)
    assert str(fault) == "v1 is damaged: run `mos train`"
    assert isinstance(_deploy_fault("out of memory"), ServingError)


def test_a_cluster_that_is_not_there_is_told_at_once(
    no_ray: pytest.MonkeyPatch, mos_home: Settings, free_port: Callable[[], int]
) -> None:
    no_ray.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    with pytest.raises(ServingError, match=r"RAY_ADDRESS=127\.0\.0\.1:\d+"), cluster_application(mos_home):
        pass


@pytest.mark.parametrize("path", ["/tmp/a b/python", "/tmp/a$b/python", "/tmp/it's/python"])
def test_a_python_that_ray_cannot_start_is_told_before_anything_starts(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_plain_paths()
    monkeypatch.setattr("sys.executable", path)
    with pytest.raises(ServingError, match="make VENV="):
        require_plain_paths()
