"""Dependencies between the packages point one way."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mos_cli import extras

ROOT = Path(__file__).parent.parent
OURS = {
    "mos_online",
    "features",
    "publishing",
    "streams",
    "serving",
    "learning",
    "monitoring",
    "simulator",
    "evaluation",
    "mos_cli",
}
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
    "publishing": {"mos_online", "confluent_kafka"},
    "monitoring": {"mos_online"},
    "streams": {
        "mos_online",
        "features",
        "publishing",
        "monitoring",
        "faust",
        "mode",
        "confluent_kafka",
        "httpx",
        "aiokafka",
    },
    "serving": {"mos_online", "features", "publishing", "ray", "starlette"},
    "learning": {"mos_online", "features", "publishing", "monitoring", "confluent_kafka"},
    "simulator": {"mos_online", "confluent_kafka", "httpx", "aiokafka"},  # aiokafka: the hash of keys
    "evaluation": {"mos_online"},
    "mos_cli": OURS | INFRASTRUCTURE,
}

CORE = {
    "contracts": set(),
    "metrics": set(),
    "processes": set(),
    "sessions": {"contracts"},
    "feedback": {"contracts"},
    "experiments": {"contracts"},
    "items": {"contracts"},
    "themes": {"contracts", "items", "metrics"},
    "users": {"contracts", "sessions", "themes"},
    "registry": {"contracts", "experiments", "themes", "users"},
    "learning": {"contracts", "experiments", "feedback", "themes"},
    "model": {"items", "themes", "users"},
    "recommend": {"contracts", "items", "model", "themes", "users"},
    "baselines": {"contracts", "items", "metrics"},
    "training": {"baselines", "contracts", "items", "metrics", "model", "registry", "sessions", "themes"},
    "fine_tuning": {"contracts", "metrics", "model", "recommend", "registry", "themes", "training", "users"},
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
    "report": {"hopping", "candidates", "protocol", "results", "rivals", "static", "walk_forward"},
}
"""What each package of ``evaluation`` may import of the others."""

STREAMS = {
    "metrics": set(),
    "kafka": {"metrics"},
    "broker": {"kafka"},
    "processors": {"kafka", "metrics"},
    "runtime": {"kafka", "metrics", "processors"},
}
"""What each package of ``streams``, and its module ``metrics``, may import of the others."""

SERVING = {
    "metrics": set(),
    "feedback": {"metrics"},
    "scoring": {"metrics"},
    "http": {"feedback", "metrics", "scoring"},
    "ray": {"feedback", "http", "metrics", "scoring"},
}
"""What each package of ``serving``, and its module ``metrics``, may import of the others."""

INNER: dict[str, dict[str, set[str]]] = {
    "mos_online": CORE,
    "evaluation": EVALUATION,
    "streams": STREAMS,
    "serving": SERVING,
}

IN_SERVICE = ("mos_online", "features", "publishing", "streams", "serving", "learning", "monitoring")
EXTRA = set(extras.EVALUATION)
REPORTS = ("evaluation", "mos_cli/demo", "mos_cli/experiments")
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
    """Parts of ``package``, those of ``INNER``, that a file imports."""
    found = {name.split(".")[1] for name in modules(path) if name.startswith(f"{package}.")}
    return found & set(INNER[package])


def files_of(whole: str, part: str) -> list[Path]:
    """The files of a package inside a package, or of a module there."""
    folder = ROOT / whole / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    assert files
    return files


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may_know(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        forbidden = imported(path) & (OURS | INFRASTRUCTURE) - ALLOWED[package] - {package}
        assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"


@pytest.mark.parametrize("whole", sorted(INNER))
def test_packages_inside_a_package_point_one_way(whole: str) -> None:
    arrows = INNER[whole]
    there = {path.parent.name for path in (ROOT / whole).glob("*/__init__.py")}
    assert there <= set(arrows), "a new package needs a line here"
    for part, allowed in arrows.items():
        for path in files_of(whole, part):
            forbidden = inner(path, whole) - allowed - {part}
            assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"
    done: set[str] = set()
    while waiting := {part for part in arrows if part not in done}:
        ready = {part for part in waiting if arrows[part] <= done}
        assert ready, f"a circle among {sorted(waiting)}"
        done |= ready


def test_only_the_runtime_of_streams_knows_faust() -> None:
    for path in (path for part in STREAMS if part != "runtime" for path in files_of("streams", part)):
        assert not imported(path) & {"faust", "mode", "aiokafka"}, path.relative_to(ROOT)


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


@pytest.mark.parametrize("package", [*sorted(ALLOWED), "benchmarks"])
def test_no_file_is_longer_than_a_person_can_hold(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines"


def test_every_test_file_has_a_name_of_its_own() -> None:
    """Pytest imports a test file under its bare name: two of one name end the whole run."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]

    assert sorted(names) == sorted(set(names))
