"""The compose file and the image speak of things that exist: verbs, options, settings, ports, folders."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from features.location import parse_location
from mos_cli.main import COMMANDS, command_line
from mos_online.settings import Settings
from mos_online.system_settings import PREFIX

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
THEIRS = {name: service for name, service in SERVICES.items() if "build" not in service}
LONG_RUNNING = [name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"]
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}


def parse(arguments: list[str]) -> str:
    """The verb of a `mos` command line, with its options checked and nothing run."""
    group = typer.main.get_command(command_line([arguments[0]]))
    with group.make_context("mos", list(arguments)) as context:
        verb, command, rest = group.resolve_command(context, list(arguments))  # type: ignore[attr-defined]
        if rest and hasattr(command, "resolve_command"):  # `topics create`
            _, command, rest = command.resolve_command(context, rest)
        command.make_context(verb, rest, parent=context)
    return str(verb)


@pytest.mark.parametrize("name", OURS)
def test_every_service_runs_a_real_command(name: str) -> None:
    entrypoint = OURS[name].get("entrypoint", ["mos"])
    assert entrypoint[0] == "mos"
    assert parse([*entrypoint[1:], *OURS[name]["command"]]) in COMMANDS


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_with_a_possible_value(
    name: str, mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = OURS[name]["environment"]
    assert environment.keys() <= SETTINGS
    for variable, value in environment.items():
        if value is not None:
            monkeypatch.setenv(variable, str(value))
    loaded = Settings.load()
    kafka = loaded.kafka.split(":")
    assert SERVICES[kafka[0]]["environment"]["KAFKA_ADVERTISED_LISTENERS"].startswith(f"INSIDE://{loaded.kafka},")
    assert parse_location(loaded.store).label == "redis://redis:6379/0"
    assert loaded.recommend_url == f"http://serve:{loaded.serve_port}"
    assert loaded.data_dir in (None, Path("/data"))


def test_every_setting_that_is_not_ours_can_be_set_in_one_file() -> None:
    for name, service in OURS.items():
        assert service["env_file"] == [{"path": "mos.env", "required": False}], name
        assert None not in service["environment"].values()  # an empty variable of the shell is not passed on
    assert "mos.env" in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["read_only"] or name == "kafka"
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "userns_mode"} & service.keys()
    assert not any(str(volume).startswith("/") for volume in service["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_what_runs_of_ours_can_write_where_it_must(name: str) -> None:
    folders = dict(entry.split(":", 1) for entry in OURS[name]["tmpfs"])
    assert folders.keys() == {"/tmp", "/home/mos"}
    assert "exec" in folders["/tmp"].split(",")  # HAProxy is started by a script there
    assert "mode=1777" in folders["/tmp"].split(",")
    user = re.search(r"useradd --uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert user
    assert f"uid={user[1]}" in folders["/home/mos"]


def test_a_first_start_without_a_model_ends_nothing() -> None:
    needed = [(name, needed) for name, service in SERVICES.items() for needed in service.get("depends_on", {})]
    assert not [pair for pair in needed if pair[1] == "serve"]  # it is healthy only once there is a model


@pytest.mark.parametrize("name", ["worker", "learn"])
def test_a_scraper_in_the_network_reaches_what_has_no_port_outside(name: str) -> None:
    service = SERVICES[name]
    assert service["environment"][f"MOS_{name.upper()}_HOST"] == "0.0.0.0"
    assert service["expose"] == [str(Settings.model_fields[f"{name}_port"].default)]
    assert "ports" not in service


def test_redis_refuses_writes_before_its_container_is_full() -> None:
    command = SERVICES["redis"]["command"]
    assert int(command[command.index("--maxmemory") + 1].removesuffix("mb")) < 1024 * int(
        SERVICES["redis"]["mem_limit"].removesuffix("g")
    )


def test_the_base_of_our_image_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.M)
    assert bases
    assert all(re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+(-[\w-]+)?", base) for base in bases)


def test_interpolated_variables_are_settings() -> None:
    names = re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())
    assert set(names) <= SETTINGS
    assert names


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_keeps_running_is_watched(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize(
    ("name", "field", "path"),
    [("serve", "serve_port", "readyz"), ("worker", "worker_port", "healthz"), ("learn", "learn_port", "healthz")],
)
def test_health_is_asked_where_it_is_answered(name: str, field: str, path: str) -> None:
    *_, program = SERVICES[name]["healthcheck"]["test"]
    compile(program, name, "exec")
    port = Settings.model_fields[field].default
    assert f"http://127.0.0.1:{port}/{path}" in program


def test_dependencies_can_be_waited_for() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert needed in LONG_RUNNING
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[needed]["restart"] == "on-failure"


def test_nothing_listens_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_other_peoples_images_are_pinned() -> None:
    assert THEIRS
    for service in THEIRS.values():
        assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+(-\w+)?", service["image"])


def test_what_is_written_is_in_a_named_volume() -> None:
    mounted = {v.split(":")[0] for s in SERVICES.values() for v in s["volumes"] if not v.startswith("$")}
    assert mounted == COMPOSE["volumes"].keys()
    home = re.search(r"MOS_HOME=(\S+)", (ROOT / "Dockerfile").read_text())
    assert home
    assert all(f"state:{home[1]}" in service["volumes"] for service in OURS.values())


def test_the_image_holds_every_package_and_what_its_build_needs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M) for word in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert copied >= packages | {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    kept = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    assert kept == {name.split("/")[0] for name in copied}


def test_docker_compose_accepts_the_file(need: Any) -> None:
    met = shutil.which("docker") is not None and _compose("version").returncode == 0
    need("docker compose", met=met, install="Docker with its compose plugin, see the manual of Docker")
    checked = _compose("--profile", "tools", "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet")
    assert checked.returncode == 0, checked.stderr


def _compose(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", "compose", *arguments], capture_output=True, text=True, check=False)
