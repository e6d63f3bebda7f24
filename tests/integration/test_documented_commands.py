"""Every command of the documentation is run as it stands, against one `mos up`.

Only this differs from what a reader does: the generated log is smaller and a model is trained for seconds, the ports
are free ones, and ``make`` is asked with ``-n`` what it would do. A block that is not run says why on its page.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mos_online.ports import HIGHEST, HOST, LOWEST, bind_fault
from mos_online.processes import wait_until, work_of
from tests.doc_commands import PAGES, ROOT, Block, blocks

LOG = "synthetic:users=100,days=20"
ORDER = (
    *("README.md", "docs/quickstart.md", "docs/import.md", "docs/your-data.md", "docs/http-api.md"),
    *("docs/feedback.md", "docs/learning.md", "docs/simulate.md", "docs/operations.md"),
)
"""As a reader goes through them: the first ones train a model and start the services."""

SHIMS = {
    "mos": """for word; do shift; [ "$word" = synthetic ] && word={log}; set -- "$@" "$word"; done
[ "$1" = train ] && set -- "$@" --minutes 0.05
exec {python} -m mos_cli "$@" """,
    "make": """exec {make} -n -C {root} "$@" """,
    "python": """exec {python} "$@" """,
}


def unused_port() -> int:
    """A port that this process does not keep: `mos up` keeps it."""
    drawn = random.SystemRandom()
    return next(port for port in iter(lambda: drawn.randrange(LOWEST, HIGHEST), None) if not bind_fault(HOST, port))


class Reader:
    """Runs blocks in a folder of their own, and keeps `mos up`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = unused_port()
        home = folder / "home"
        programs = folder / "programs"
        programs.mkdir(parents=True)
        values = {"python": sys.executable, "log": LOG, "make": shutil.which("make"), "root": ROOT}
        for name, text in SHIMS.items():
            shim = programs / name
            shim.write_text(f"#!/bin/sh\n{text.format(**values)}\n")
            shim.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MOS_")}
        self.environment |= {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "MOS_HOME": str(home),
            "MOS_SERVE_PORT": str(self.port),
            "MOS_WORKER_PORT": str(unused_port()),
        }
        self._up: subprocess.Popen[bytes] | None = None

    def run(self, block: Block) -> None:
        """Run a block; it must end with status 0, or start the services."""
        text = block.text.replace("localhost:8000", f"localhost:{self.port}")
        if block.language == "python":
            self._call([sys.executable, "-c", text], block)
            return
        before, up, after = text.partition("mos up\n")
        assert not after.strip(), "nothing comes after `mos up`, which does not end"
        self._call(["bash", "-euo", "pipefail", "-c", before], block)
        if up:
            self._start()

    def _call(self, command: list[str], block: Block) -> None:
        log = self.folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=out, stderr=out)
        try:
            wait_until(lambda: process.poll() is not None, progress=lambda: (work_of(process.pid, log), self._work()))
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, f"{block.page}:\n{block.text}\n{log.read_text()[-3000:]}"

    def _work(self) -> object:
        return work_of(self._up.pid) if self._up else None

    def _start(self) -> None:
        log = self.folder / "up.log"
        with log.open("wb") as out:
            self._up = up = subprocess.Popen(
                ["bash", "-c", "exec mos up"], cwd=self.folder, env=self.environment, stdout=out, stderr=out
            )

        def ready() -> bool:
            assert up.poll() is None, log.read_text()
            return "ready:" in log.read_text()

        wait_until(ready, progress=lambda: work_of(up.pid, *(self.folder / "home/logs").glob("*.log")))

    def close(self) -> None:
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGTERM)
            self._up.wait()


@pytest.fixture
def reader(tmp_path: Path, need: Callable[..., None]) -> Iterator[Reader]:
    for program in ("curl", "make", "bash"):
        need(program, met=shutil.which(program) is not None, install=f"apt-get install {program}")
    reader = Reader(tmp_path / "reader")
    yield reader
    reader.close()


def test_every_page_with_commands_is_read_or_says_why_not() -> None:
    unread = {path for path in PAGES if str(path.relative_to(ROOT)) not in ORDER}
    for path in unread:
        for block in blocks(str(path.relative_to(ROOT))):
            assert block.language == "python" or block.not_run, f"{path.name} is not in ORDER:\n{block.text}"


def test_a_reason_is_a_sentence_and_placeholders_are_not_run() -> None:
    for path in PAGES:
        for block in blocks(str(path.relative_to(ROOT))):
            if block.not_run is not None:
                assert len(block.not_run.split()) >= 3, block
            elif not block.language:
                assert not re.search(r"<\w+>|/path/to|\b[A-Z]{4,}\b(?!=)", block.text.replace("$PATH", "")), block


@pytest.mark.slow
def test_every_documented_command_works_as_it_stands(reader: Reader) -> None:
    ran = [block for page in ORDER for block in blocks(page) if block.not_run is None]
    assert len(ran) >= 8
    for block in ran:
        reader.run(block)
