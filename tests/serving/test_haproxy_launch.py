"""Our rules in the configuration that Ray really writes, as HAProxy itself reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.ray import haproxy_launch
from serving.ray.haproxy import haproxy_binary
from serving.ray.haproxy_launch import CONNECTIONS, IDLE_SECONDS, MARK, REQUEST_SECONDS, rewrite, write_errors

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("haproxy_launch")]  # each Ray takes seconds to import

STATS, EXPORTER = "8404", "9101"


def ray_config(folder: Path, *, port: int = 8000) -> str:
    """What Ray's HAProxyApi writes for one application with one replica."""
    program = f"""
import pathlib
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions
config = HAProxyConfig(
    socket_path={str(folder / "admin.sock")!r},
    stats_port={STATS}, metrics_port={EXPORTER},
    http_options=HTTPOptions(host="127.0.0.1", port={port}), has_received_routes=True, has_received_servers=True,
)
server = ServerConfig(name="replica", host="127.0.0.1", port=30000)
backend = BackendConfig(name="http-mos", path_prefix="/", app_name="mos", servers=[server])
api = HAProxyApi(cfg=config, backend_configs={{"mos": backend}}, config_file_path={str(folder / "haproxy.cfg")!r})
api._generate_config_file_internal()
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "RAY_SERVE_ENABLE_HA_PROXY": "1"})
    return (folder / "haproxy.cfg").read_text()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    return ray_config(tmp_path_factory.mktemp("haproxy"))


def parameters(**changed: Any) -> dict[str, Any]:
    return {
        "binary": "/bin/echo",
        "errors": "/nowhere",
        "host": "0.0.0.0",
        "port": 8000,
        "local_ports": [STATS, EXPORTER],
        "trusted_proxies": [],
        "closed": False,
    } | changed


def rules(config: str, section: str) -> list[str]:
    found = re.search(rf"^{section}\n((?:(?:[ #].*)?\n)*)", config, re.MULTILINE)
    assert found, section
    return [line.strip() for line in found[1].splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "localhost"])
@pytest.mark.parametrize("closed", [False, True])
def test_haproxy_accepts_the_configuration(written: str, tmp_path: Path, host: str, *, closed: bool) -> None:
    binary = haproxy_binary()
    if binary is None:
        pytest.skip("no HAProxy here")
    proxies = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
    file = tmp_path / "haproxy.cfg"
    write_errors(tmp_path)
    told = parameters(host=host, closed=closed, trusted_proxies=proxies, errors=str(tmp_path))
    file.write_text(rewrite(written, told))
    checked = subprocess.run([binary, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[ALERT]" not in checked.stderr


def test_only_the_service_listens_beyond_this_machine(written: str) -> None:
    config = rewrite(written, parameters())
    bound = re.findall(r"^ *bind (\S+)", config, re.MULTILINE)
    assert sorted(bound) == sorted([f"127.0.0.1:{STATS}", f"127.0.0.1:{EXPORTER}", "*:8000"])
    assert "level admin" in config
    assert "mode 600 level admin" in config


def test_slow_requests_and_many_connections_are_bounded(written: str) -> None:
    config = rewrite(written, parameters(trusted_proxies=["10.0.0.0/8"]))
    limits = {f"timeout http-request {REQUEST_SECONDS}s", f"timeout http-keep-alive {IDLE_SECONDS}s"}
    assert limits | {"option http-buffer-request"} <= set(rules(config, "defaults"))
    assert config.count("timeout http-keep-alive") == 1
    frontend = rules(config, "frontend http_frontend")
    assert f"tcp-request connection reject if !trusted_proxy {{ sc0_conn_cur gt {CONNECTIONS} }}" in frontend
    assert "acl trusted_proxy src 10.0.0.0/8" in frontend


def test_the_pages_of_ray_close_before_ray_answers_them(written: str) -> None:
    frontend = rules(rewrite(written, parameters(closed=True)), "frontend http_frontend")
    closing = next(n for n, rule in enumerate(frontend) if "-m beg -i /-/" in rule)
    of_ray = next(n for n, rule in enumerate(frontend) if 'string "success"' in rule or "/-/routes" in rule)
    assert closing < of_ray
    assert not any("-m beg -i /-/" in rule for rule in rules(rewrite(written, parameters()), "frontend http_frontend"))


def test_a_reload_of_the_same_file_changes_nothing_more(written: str) -> None:
    once = rewrite(written, parameters())
    assert once.startswith(MARK)
    assert rewrite(once, parameters()) == once


def test_a_configuration_that_has_no_place_for_a_rule_is_refused(written: str) -> None:
    for gone in (r"^defaults$", r"^frontend http_frontend$", r" mode 666 ", r"http-keep-alive", rf"bind \*:{STATS}"):
        with pytest.raises(ValueError, match="another configuration"):
            rewrite(re.sub(gone, "else", written, flags=re.MULTILINE), parameters())


def test_the_launcher_rewrites_the_file_and_becomes_haproxy(written: str, tmp_path: Path) -> None:
    config, told = tmp_path / "haproxy.cfg", tmp_path / "haproxy.json"
    config.write_text(written)
    told.write_text(json.dumps(parameters()))
    command = [sys.executable, "-I", haproxy_launch.__file__, str(told), "-db", "-f", str(config), "-sf", "12"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == f"-db -f {config} -sf 12\n"
    assert config.read_text() == rewrite(written, parameters())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["haproxy.cfg", "haproxy.json"]
