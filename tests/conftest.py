"""Fixtures of the whole suite, and the rule for tests that need something that pip does not bring."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # a pytest that has imported Feast hands it on to its workers
# Several tests run at once, and threads that share out a small tensor burn processor time while they wait for each
# other: here, and in the processes that tests start. Torch is told as it is loaded.
os.environ |= {"OMP_THREAD_LIMIT": "1", "POLARS_MAX_THREADS": "1"}

import prometheus_client  # noqa: F401 - before Feast, which switches it to shared files when imported
import pytest
from hypothesis import settings as hypothesis_settings

from mos_online import ports
from mos_online.processes import wait_until, work_of
from mos_online.settings import Settings, settings
from mos_online.system_settings import PREFIX
from tests.examples import BUSY, QUICK

hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=BUSY)
hypothesis_settings.register_profile("quick", hypothesis_settings.get_profile("untimed"), max_examples=QUICK)
hypothesis_settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent

Need = Callable[..., None]

collect_ignore_glob = ["conftest.py", "*/conftest.py"]  # no doctests there, and two of one name cannot be collected

_unmet = pytest.StashKey[dict[str, tuple[str, list[str]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", type=int, default=1, help="Repeat every fault so many times as often.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_unmet] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say how long slow tests may take, and in which order and together with which others tests are run.

    Tests with real processes wait for progress, which takes long on a busy machine; the bound is for what hangs. They
    come first, so that no long one is left over for a single worker at the end. Quick tests of a file stay together, as
    their file has fixtures that they share.
    """
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(ROOT))))
        elif not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    """Say loudly what was not tested and how to have it tested: last of all, where it is read."""
    yield
    for component, (install, tests) in config.stash[_unmet].items():
        terminalreporter.write_sep("!", f"NOT TESTED AGAINST {component}", red=True, bold=True)
        terminalreporter.write_line(f"tests not run: {len(tests)}; install it: {install}")
        for test in tests:
            terminalreporter.write_line(f"  {test}")


@pytest.fixture
def need(request: pytest.FixtureRequest) -> Need:
    """``need("redis-server", met=..., install="...")``: go on if met, else skip; fail where CI=true."""

    def need(component: str, *, met: bool, install: str) -> None:
        if not met:
            _, tests = request.config.stash[_unmet].setdefault(component, (install, []))
            tests.append(request.node.nodeid)
            stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            stop(f"{component} is not here; install it: {install}")

    return need


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Ports that nobody listens on."""

    return ports.free_port


@pytest.fixture
def mos_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings with an empty MOS_HOME of their own; no other MOS_* variable is set."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOS_HOME", str(tmp_path / "mos"))
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


class RedisServer:
    """A redis-server of one test; what is written survives ``stop`` and ``start``."""

    def __init__(self, *, port: int, folder: Path) -> None:
        self.port = port
        self.password = ""
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--requirepass", self.password]
        self._process = process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def listens() -> bool:
            assert process.poll() is None, f"redis-server has ended with status {process.returncode}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listens, progress=lambda: work_of(process.pid), pause=0.02)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def redis_server(need: Need, free_port: Callable[[], int], tmp_path: Path) -> Iterator[RedisServer]:
    """A running, empty redis-server."""
    met = shutil.which("redis-server") is not None
    need("redis-server", met=met, install="apt-get install redis-server, or brew install redis")
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(port=free_port(), folder=folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else messages of the command line are broken in the middle of a path."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture(autouse=True)
def _metrics_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast points Prometheus at a folder shared by processes as soon as it is imported; tests count for themselves."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
