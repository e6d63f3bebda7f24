"""Dependencies between the packages point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"mos_online", "features", "streams", "serving", "simulator", "evaluation", "mos_cli"}
INFRASTRUCTURE = {
    "faust",
    "mode",
    "confluent_kafka",
    "feast",
    "ray",
    "fastapi",
    "starlette",
    "httpx",
    "redis",
    "aiokafka",
}
ALLOWED = {
    "mos_online": set(),
    "features": {"mos_online", "feast", "redis"},
    "streams": {"mos_online", "features", "faust", "mode", "confluent_kafka", "httpx", "aiokafka"},
    "serving": {"mos_online", "features", "ray", "fastapi", "starlette"},
    "simulator": {"mos_online", "confluent_kafka", "httpx", "aiokafka"},  # aiokafka: the hash of keys
    "evaluation": {"mos_online"},
    "mos_cli": OURS | INFRASTRUCTURE,
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may_know(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        forbidden = imported(path) & (OURS | INFRASTRUCTURE) - ALLOWED[package] - {package}
        assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_no_file_is_longer_than_a_person_can_hold(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines"


ROOMS_OF_STREAMS: dict[str, set[str]] = {
    "metrics": set(),
    "kafka": {"metrics"},
    "broker": {"kafka"},
    "processors": {"kafka", "metrics"},
    "runtime": {"kafka", "metrics", "processors"},
}


@pytest.mark.parametrize("room", sorted(ROOMS_OF_STREAMS))
def test_the_rooms_of_streams_depend_on_each_other_in_one_direction(room: str) -> None:
    folder = ROOT / "streams" / room
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    assert files
    for path in files:
        imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        modules = [f"{node.module}.{name.name}" for node in imports for name in node.names]
        rooms = {module.split(".")[1] for module in modules if module.startswith("streams.")}
        assert rooms <= ROOMS_OF_STREAMS[room] | {room}, f"{path.relative_to(ROOT)} imports {sorted(rooms)}"
        assert room == "runtime" or not imported(path) & {"faust", "mode", "aiokafka"}, path
