"""The systems that ``sessions_on_kafka.py`` compares, and how each is started."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kafka_click_log import LATENESS, ClickLog

from mos_online.ports import free_port
from mos_online.settings import Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENTS = ROOT / ".venv-bench"
PARTITIONS = 4


class CannotRunError(Exception):
    """A system cannot run here, or failed; the message is shown in the table."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One system's topics and folder."""

    settings: Settings
    log: ClickLog
    envelopes: bool
    folder: Path

    @property
    def source(self) -> str:
        """Topic of clicks."""
        return self.settings.topic("clicks")

    @property
    def target(self) -> str:
        """Topic of sessions."""
        return self.settings.topic("sessions")


@dataclass(frozen=True, kw_only=True)
class System:
    """Who runs.

    Attributes:
        title: for the table.
        note: what to know about it.
        command: what starts it, given a run.
        versions: of what it runs on.
        counts_only: it makes no sessions; it marks its first and its last message instead.
        silent: whether it closes the session of a user who does not come back.
        envelopes: whether it can read them.
    """

    title: str
    note: str
    command: Callable[[Run], list[str]]
    versions: Callable[[], str]
    silent: str = "no"
    counts_only: bool = False
    envelopes: bool = True


def environment(run: Run) -> dict[str, str]:
    """For our own processes, and for Java; peers are told on the command line."""
    ours = {
        "MOS_KAFKA": run.settings.kafka,
        "MOS_NAMESPACE": run.settings.namespace,
        "MOS_PARTITIONS": str(PARTITIONS),
        "MOS_HOME": str(run.folder),
        "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={run.folder}",  # where Flink leaves its files
        "MOS_SESSION_LATENESS": str(LATENESS / 1000),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("MOS_")} | ours


def our_command(run: Run) -> list[str]:
    """The product's worker."""
    subprocess.run([sys.executable, "-m", "mos_cli", "topics", "create"], env=environment(run), check=True, stdout=-3)
    return [sys.executable, "-m", "mos_cli", "worker", "--only", "sessionizer", "--port", str(free_port())]


def peer_command(program: str, python: Callable[[], Path], run: Run, *, variant: str = "") -> list[str]:
    """A program of ``benchmarks/peers``."""
    options = {
        "bootstrap": run.settings.kafka,
        "source": run.source,
        "target": run.target,
        "group": f"{run.settings.namespace}peer",
        "state": str(run.folder),
        "partitions": str(PARTITIONS),
        "messages": str(len(run.log.messages)),
        "jar": str(flink_connector()) if program == "flink.py" else "",
        "variant": variant,
    }
    # Faust's worker reads the command line, too, so all of it looks like "--name=value".
    words = [f"--{name}={value}" for name, value in options.items() if value]
    return [str(python()), str(HERE / "peers" / program), *words, *(["--envelopes"] if run.envelopes else [])]


def ours_python() -> Path:
    """Faust is a dependency of the product, so its programs run in the product's environment."""
    return Path(sys.executable)


def peer_python(name: str) -> Path:
    """The Python of a peer's environment, which is made if need be."""
    folder = ENVIRONMENTS / name
    wanted = (HERE / "peers" / f"requirements-{name}.txt").read_text()
    made = folder / ".requirements"
    if not made.exists() or made.read_text() != wanted:
        uv = Path(sys.executable).with_name("uv")
        print(f"making {folder.relative_to(ROOT)} ...", file=sys.stderr)
        call([str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        requirements = str(HERE / "peers" / f"requirements-{name}.txt")
        install = [str(uv), "pip", "install", "--quiet", "--require-hashes", "-r", requirements]
        call(install, VIRTUAL_ENV=str(folder))
        made.write_text(wanted)
    return folder / "bin" / "python"


def flink_connector() -> Path:
    """The connector's jar, brought by Maven."""
    folder = ENVIRONMENTS / "flink-jars"
    if not any(folder.glob("flink-sql-connector-kafka-*.jar")):
        if not shutil.which("mvn"):
            raise CannotRunError("needs Maven (apt-get install maven)")
        pom = str(HERE / "peers" / "flink-pom.xml")
        call(["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={folder}"])
    return next(folder.glob("flink-sql-connector-kafka-*.jar"))


def call(command: list[str], **variables: str) -> None:
    """Run to the end."""
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=1800
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotRunError(f"{Path(command[0]).name} failed: {lines[-1] if lines else done.returncode}")


def peer_versions(name: str, *packages: str) -> str:
    """The pinned versions of a peer's packages, for the table."""
    lines = (HERE / "peers" / f"requirements-{name}.txt").read_text().splitlines()
    pinned = dict(line.split(" ")[0].split("==", 1) for line in lines if "==" in line and not line.startswith(" "))
    return ", ".join(f"{package} {pinned[package]}" for package in packages)


def our_versions(*packages: str) -> str:
    """The installed versions of our packages, for the table."""
    return ", ".join(f"{package} {version(package)}" for package in packages)


def flink_versions() -> str:
    """The library and its connector, as pinned."""
    connector = pinned(HERE / "peers" / "flink-pom.xml", "flink-sql-connector-kafka")
    return f"{peer_versions('flink', 'apache-flink')}, connector {connector}"


def pinned(pom: Path, artifact: str) -> str:
    """A version in a POM."""
    return pom.read_text().split(f"{artifact}</artifactId>", 1)[1].split("<version>", 1)[1].split("<", 1)[0]


SYSTEMS = {
    "empty": System(
        title="Faust agent that only counts",
        note="the ceiling of ordinary Faust: raw codec, uvloop, no state, no output",
        command=functools.partial(peer_command, "faust_empty.py", ours_python),
        versions=functools.partial(our_versions, "faust-streaming", "aiokafka", "uvloop"),
        silent="–",
        counts_only=True,
    ),
    "ours": System(
        title="MoS Online, `mos worker --only sessionizer`",
        note="checkpoint every second, nothing lost or doubled after a crash",
        silent="yes",
        command=our_command,
        versions=functools.partial(our_versions, "mos-online", "faust-streaming", "confluent-kafka"),
    ),
    "faust": System(
        title="Faust with a table",
        note="in memory, with a changelog; a user's next click closes the session before",
        command=functools.partial(peer_command, "faust_table.py", ours_python),
        versions=functools.partial(our_versions, "faust-streaming", "aiokafka", "uvloop"),
    ),
    "quix": System(
        title="Quix Streams session windows, clock of the user",
        note='`closing_strategy="key"` (its default): a user\'s next click closes the session before; RocksDB and a '
        "changelog, at least once",
        command=functools.partial(peer_command, "quix.py", functools.partial(peer_python, "quix"), variant="key"),
        versions=functools.partial(peer_versions, "quix", "quixstreams"),
    ),
    "quix-partition": System(
        title="Quix Streams session windows, clock of the partition",
        note='`closing_strategy="partition"`: closes the sessions of users who are gone, by a pass over all keys; '
        "RocksDB and a changelog, at least once",
        command=functools.partial(peer_command, "quix.py", functools.partial(peer_python, "quix"), variant="partition"),
        silent="yes",
        versions=functools.partial(peer_versions, "quix", "quixstreams"),
    ),
    "bytewax": System(
        title="Bytewax session windows, woken by clicks only",
        note="event clock of each user with `to_system_utc=None`; no recovery store: a crash loses what is open",
        silent="no",
        command=functools.partial(
            peer_command, "bytewax_sessions.py", functools.partial(peer_python, "bytewax"), variant="clicks"
        ),
        versions=functools.partial(peer_versions, "bytewax", "bytewax", "confluent-kafka"),
    ),
    "bytewax-wake": System(
        title="Bytewax session windows, woken by the clock",
        note="event clock of each user as it is by default; no recovery store: a crash loses what is open",
        silent="yes",
        command=functools.partial(
            peer_command, "bytewax_sessions.py", functools.partial(peer_python, "bytewax"), variant="wake"
        ),
        versions=functools.partial(peer_versions, "bytewax", "bytewax", "confluent-kafka"),
    ),
    "flink": System(
        title="Flink SQL session windows",
        note="single clicks only; one JVM, parallelism 1, heap state, no checkpoints: a crash loses what is open; its "
        "rate flatters: its first session comes up to 200 ms (the period of its watermarks) after its first record",
        command=functools.partial(peer_command, "flink.py", functools.partial(peer_python, "flink")),
        versions=flink_versions,
        silent="yes",
        envelopes=False,  # its session windows need one time attribute per message
    ),
}
