"""What Ray is told through the environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mos_online.errors import ModelError, ServingError
from mos_online.settings import Settings
from serving.ray.cluster import _deploy_fault, cluster_application, prepare_environment, remote


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
        (tmp_path / name).mkdir()
        prepare_environment(tmp_path / name)
        assert os.environ["RAY_AUTH_MODE"] == "token"
        tokens.add(os.environ.pop("RAY_AUTH_TOKEN"))
        del os.environ["RAY_AUTH_MODE"]
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)


def test_what_the_user_has_set_stays(no_ray: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_ray.setenv("RAY_AUTH_MODE", "disabled")
    no_ray.setenv("RAY_SERVE_HAPROXY_NBTHREAD", "7")
    no_ray.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    prepare_environment(tmp_path)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert os.environ["RAY_SERVE_HAPROXY_NBTHREAD"] == "7"
    assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "0"


def test_nothing_is_told_to_anybody(no_ray: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare_environment(tmp_path)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.slow
def test_haproxy_listens_with_its_status_pages_on_this_machine_alone(
    no_ray: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_ray.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", "/bin/echo")
    prepare_environment(tmp_path)
    stats, metrics = (os.environ[f"RAY_SERVE_HAPROXY_{name}_PORT"] for name in ("STATS", "METRICS"))
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"    bind :{metrics}\n    bind *:8000\n  bind *:{stats}\n  server x 127.0.0.1:{stats}0\n")
    wrapper = os.environ["RAY_SERVE_HAPROXY_BINARY_PATH"]
    said = subprocess.run([wrapper, "-db", "-f", config, "-sf", "12"], capture_output=True, text=True, check=True)
    assert said.stdout == f"-db -f {config} -sf 12\n"
    assert config.read_text().splitlines() == [
        f"    bind 127.0.0.1:{metrics}",
        "    bind *:8000",
        f"  bind 127.0.0.1:{stats}",
        f"  server x 127.0.0.1:{stats}0",
    ]


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
