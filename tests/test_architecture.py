"""Dependencies between the packages point one way."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mos_cli import extras

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

CORE = {
    "contracts": set(),
    "metrics": set(),
    "processes": set(),
    "sessions": {"contracts"},
    "items": {"contracts"},
    "themes": {"contracts", "items"},
    "users": {"contracts", "sessions", "themes"},
    "registry": {"users"},
    "model": {"items", "themes", "users"},
    "recommend": {"contracts", "items", "model", "themes", "users"},
    "baselines": {"contracts", "items", "metrics"},
    "training": {"baselines", "contracts", "items", "metrics", "model", "registry", "sessions", "themes"},
}
"""What each package of ``mos_online`` may import of the others; all may import its ``errors``."""

EVALUATION = {
    "backbones": set(),
    "rivals": set(),
    "hopping": set(),
    "protocol": set(),
    "routing": {"protocol"},
    "candidates": {"backbones", "rivals", "protocol"},
    "results": {"protocol"},
    "static": {"candidates", "hopping", "protocol", "results", "routing"},
    "walk_forward": {"candidates", "protocol", "results", "routing"},
    "exposures": {"candidates", "protocol", "routing"},
    "report": {"candidates", "protocol", "results", "rivals", "static", "walk_forward"},
}
"""What each package of ``evaluation`` may import of the others."""

IN_SERVICE = ("mos_online", "features", "streams", "serving")
EXTRA = set(extras.EVALUATION)
REPORTS = ("evaluation", "mos_cli/demo")
"""Where packages of the extra ``evaluation`` may be imported."""


def modules(path: Path) -> set[str]:
    """Modules that a file imports, by their full names; ``from a import b`` counts as a.b too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in modules(path)}


def inner(path: Path, package: str) -> set[str]:
    """Packages inside ``package`` that a file imports."""
    found = {name.split(".")[1] for name in modules(path) if name.startswith(f"{package}.")}
    return {name for name in found if (ROOT / package / name).is_dir()}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may_know(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        forbidden = imported(path) & (OURS | INFRASTRUCTURE) - ALLOWED[package] - {package}
        assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"


@pytest.mark.parametrize(("whole", "arrows"), [("mos_online", CORE), ("evaluation", EVALUATION)])
def test_packages_inside_a_package_point_one_way(whole: str, arrows: dict[str, set[str]]) -> None:
    there = {path.parent.name for path in (ROOT / whole).glob("*/__init__.py")}
    assert there == set(arrows), "a new package needs a line here"
    for package, allowed in arrows.items():
        for path in (ROOT / whole / package).rglob("*.py"):
            forbidden = inner(path, whole) - allowed - {package}
            assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"
    done: set[str] = set()
    while waiting := {package for package in arrows if package not in done}:
        ready = {package for package in waiting if arrows[package] <= done}
        assert ready, f"a circle among {sorted(waiting)}"
        done |= ready


@pytest.mark.parametrize("package", IN_SERVICE)
def test_nothing_in_service_imports_the_evaluation(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert "evaluation" not in imported(path), path.relative_to(ROOT)


def test_only_reports_need_the_extra() -> None:
    for path in (path for package in OURS for path in (ROOT / package).rglob("*.py")):
        if imported(path) & EXTRA:
            assert str(path.relative_to(ROOT)).startswith(REPORTS), path.relative_to(ROOT)


def test_the_extra_is_what_the_message_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {Requirement(line).name for line in project["optional-dependencies"]["evaluation"]}
    assert listed == EXTRA
    assert not EXTRA & {Requirement(line).name for line in project["dependencies"]}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_no_file_is_longer_than_a_person_can_hold(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines"


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
