"""Clicks per second from the click topic to the session topic on Apache Kafka: ours and its peers, in one run.

    python benchmarks/bench_sessions.py [--only ours,quix] [--clicks 300000] [--rounds 3]
    python benchmarks/bench_sessions.py --memory

Systems run one after another, each on topics of its own that hold the same messages. Both ends of the rate are
the broker's clock, on the system's own output topic: its first record (which the first two messages of every
partition bring about) and its last right session. Peers live in environments of their own under ``.venv-bench``,
made on first use; one that cannot run says why and the others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import msgspec
import psutil
from click_log import FLUSH, LATENESS, ClickLog, Key, click_log
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from session_memory import measure_memory

from mos_online.kafka_config import producer_config
from mos_online.ports import free_port
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from streams.broker.apache import apache_broker
from streams.kafka.log_reader import LogReader

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENTS = ROOT / ".venv-bench"
PARTITIONS = 4
CONFIG = SessionConfig(lateness=LATENESS)
START_LIMIT = 120.0
"""Seconds until the first output record."""
QUIET = 15.0
"""Seconds without a new output record after which a system has said all that it ever will."""


class CannotRunError(Exception):
    """A system cannot run here, or failed; the message is shown in the table."""


class Output(msgspec.Struct, frozen=True):
    """What every system's session records have in common."""

    user_id: str
    events: list[OutputEvent]


class OutputEvent(msgspec.Struct, frozen=True):
    """One event of it."""

    event_id: str


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
class Result:
    """What one run gave; seconds, MiB."""

    rate: float
    total: float
    cpu: float
    rss: float
    right: int
    wrong: int
    missing: int
    repeated: int
    cut_off: bool


# ---- systems


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


# ---- one run


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


def compete(
    system: System, log: ClickLog, kafka: str, *, envelopes: bool, limit: float, keep_log: Path | None
) -> Result:
    """Fill topics, start, wait until it has said all, stop, and judge what it wrote.

    Raises:
        CannotRunError: it could not be made or started, or stopped by itself.
    """
    with tempfile.TemporaryDirectory(prefix="mos-bench-") as folder:
        settings = Settings.load(kafka=kafka, namespace=f"bench-{uuid4().hex[:8]}-", partitions=PARTITIONS)
        run = Run(settings=settings, log=log, envelopes=envelopes, folder=Path(folder))
        with topics(run):
            command = system.command(run)
            output = Path(folder) / "output.txt"
            with output.open("wb") as text:
                began = time.time()
                process = subprocess.Popen(
                    command, env=environment(run), cwd=folder, stdout=text, stderr=text, start_new_session=True
                )
            try:
                cpu, rss, cut_off = watch(process, run, system, limit)
            except CannotRunError as error:
                raise CannotRunError(f"{error}: {fault(output.read_text(errors='replace'))}") from None
            finally:
                end(process)
                if keep_log is not None:
                    shutil.copy(output, keep_log)
            return judge(run, system, began=began, cpu=cpu, rss=rss, cut_off=cut_off)


@contextlib.contextmanager
def topics(run: Run) -> Iterator[None]:
    """Make the system's topics and fill the first; in the end delete whatever has its name in it."""
    admin = AdminClient({"bootstrap.servers": run.settings.kafka, "log_level": 2})
    new = [
        NewTopic(run.source, PARTITIONS, 1),
        NewTopic(run.target, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"}),
    ]
    for done in admin.create_topics(new).values():
        done.result(30)
    try:
        producer = Producer(
            {**producer_config(run.settings), "queue.buffering.max.messages": 10_000_000, "log_level": 2}
        )
        for user, value, partition in run.log.messages:
            producer.produce(run.source, value, user, partition=partition)
        if producer.flush(120):
            raise RuntimeError("Kafka did not take the log")
        yield
    finally:
        names = [name for name in admin.list_topics(timeout=30).topics if run.settings.namespace in name]
        for done in admin.delete_topics(names).values():
            done.result(30)


def watch(process: subprocess.Popen[bytes], run: Run, system: System, limit: float) -> tuple[float, float, bool]:
    """Wait until no more output is to come.

    Returns:
        CPU seconds, the sum of the peaks of resident memory (MiB), whether it was cut off.
    """
    reader = LogReader(run.settings)
    expected = 2 if system.counts_only else len(run.log.sessions)
    began = changed = time.monotonic()
    seen, cpu, peaks = 0, 0.0, Counter[int]()
    while True:
        time.sleep(0.25)
        now = time.monotonic()
        cpu = max(cpu, usage(process.pid, peaks))
        count = sum(reader.bounds(run.target, partition)[1] for partition in range(PARTITIONS))
        if count != seen:
            seen, changed = count, now
        if count >= expected and now - changed > 1.5:
            break
        if process.poll() is not None:
            raise CannotRunError(f"stopped by itself with status {process.returncode}")
        if not seen and now - began > START_LIMIT:
            raise CannotRunError(f"published nothing within {START_LIMIT:.0f} s")
        if now - began > limit:
            if system.counts_only:
                raise CannotRunError(f"not done after {limit:.0f} s")
            break
        if seen and not system.counts_only and now - changed > QUIET:
            break
    reader.close()
    return cpu, sum(peaks.values()), now - began > limit


def usage(pid: int, peaks: Counter[int]) -> float:
    """CPU seconds so far of a process and its children; ``peaks`` gets the peak memory of each (MiB)."""
    seconds = 0.0
    with contextlib.suppress(psutil.Error, OSError):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            times = process.cpu_times()
            seconds += times.user + times.system
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks[process.pid] = max(peaks[process.pid], int(line.split()[1]) // 1024)
    return seconds


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop it and its children, gently first."""
    for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def fault(text: str) -> str:
    """The line of an output that says most about a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "Caused by" in line or "Error" in line or "Exception" in line]
    return (telling or lines or [""])[-1][:200]


def judge(run: Run, system: System, *, began: float, cpu: float, rss: float, cut_off: bool) -> Result:
    """Read the output topic and hold it against the oracle.

    Who was cut off has done as much of the log as it has right sessions of all.
    """
    reader = LogReader(run.settings)
    decode = msgspec.json.Decoder(Output).decode
    first, last = float("inf"), 0.0
    found: Counter[Key] = Counter()
    for partition in range(PARTITIONS):
        for message in reader.read(run.target, partition, *reader.bounds(run.target, partition)):
            at = message.timestamp()[1] / 1000
            first = min(first, at)
            if system.counts_only:
                last = max(last, at)
                continue
            session = decode(message.value())
            if session.events[0].event_id.startswith(FLUSH):
                continue
            key = (session.user_id, frozenset(event.event_id for event in session.events))
            found[key] += 1
            if key in run.log.sessions:
                last = max(last, at)
    reader.close()
    if last <= first:
        raise CannotRunError(f"published no right session ({sum(found.values())} records)")
    right = len(found.keys() & run.log.sessions)
    return Result(
        rate=run.log.clicks * (right / len(run.log.sessions) if cut_off else 1) / (last - first),
        total=last - began,
        cpu=cpu,
        rss=rss,
        right=right,
        wrong=len(found.keys() - run.log.sessions),
        missing=len(run.log.sessions) - right,
        repeated=sum(found.values()) - len(found),
        cut_off=cut_off,
    )


# ---- the table


def table(title: str, log: ClickLog, results: dict[str, list[Result]], failures: dict[str, str]) -> str:
    """Markdown."""
    median = {name: statistics.median(result.rate for result in some) for name, some in results.items()}
    lines = [
        f"**{title}**: {len(log.messages):,} messages, {log.clicks:,} clicks, {len(log.sessions):,} sessions",
        "",
        "| | clicks/s, median (min–max) | rate / empty agent | rate / MoS Online | start to finish | CPU | peak memory "
        "| sessions right / wrong / missing | closes sessions of idle users |",
        "|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for name in (*results, *failures):
        system = SYSTEMS[name]
        if name in failures:
            lines.append(f"| {system.title} | did not run: {failures[name].replace('|', '/')} | | | | | | | |")
            continue
        some = results[name]
        rates = [result.rate for result in some]
        worst = min(some, key=lambda result: (result.right, -result.wrong))
        sessions = f"{worst.right:,} / {worst.wrong:,} / {worst.missing:,}"
        if worst.repeated:
            sessions += f", {worst.repeated:,} twice"
        if worst.cut_off:
            sessions += ", cut off"
        cells = [
            system.title,
            f"{median[name]:,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
            ratio(median[name], median.get("empty")),
            ratio(median[name], median.get("ours")),
            f"{statistics.median(result.total for result in some):.1f} s",
            f"{statistics.median(result.cpu for result in some):.1f} s",
            f"{max(result.rss for result in some):,.0f} MiB",
            "–" if system.counts_only else sessions,
            system.silent,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(rate: float, base: float | None) -> str:
    """A rate relative to ours, as the table shows it."""
    return f"{rate / base:.2f}" if base else "–"


def describe(names: list[str], broker: str) -> str:
    """The machine, and on what each system runs."""
    java = "no Java"
    if shutil.which("java"):
        java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()[0]
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {java}, {broker}"
    lines = [f"- {SYSTEMS[n].title}: {SYSTEMS[n].versions()}; {SYSTEMS[n].note}." for n in names]
    return "\n".join([machine, "", *lines])


def benchmark(options: argparse.Namespace, kafka: str, broker: str) -> None:
    """Run all, print tables."""
    names = [name for name in SYSTEMS if name in options.only.split(",")] if options.only else list(SYSTEMS)
    print(describe(names, broker), flush=True)
    for title, burst in (("One click per message", 1), ("Envelopes of 10 clicks", 10)):
        if burst not in options.bursts:
            continue
        log = click_log(
            clicks=options.clicks,
            users=options.users,
            partitions=PARTITIONS,
            burst=burst,
            seed=options.seed,
            config=CONFIG,
        )
        taking_part = [name for name in names if burst == 1 or SYSTEMS[name].envelopes]
        results: dict[str, list[Result]] = {}
        failures: dict[str, str] = {}
        for number in range(options.rounds):
            for name in taking_part:
                if name in failures or (name in results and results[name][-1].cut_off):
                    continue
                keep = options.logs and Path(options.logs) / f"{name}-{burst}-{number}.txt"
                try:
                    result = compete(
                        SYSTEMS[name], log, kafka, envelopes=burst > 1, limit=options.limit, keep_log=keep or None
                    )
                except Exception as error:
                    failures[name] = " ".join(str(error).split()) or type(error).__name__
                    results.pop(name, None)
                else:
                    results.setdefault(name, []).append(result)
                said = failures.get(name) or f"{results[name][-1].rate:,.0f} clicks/s"
                print(f"round {number + 1}, burst {burst}, {name}: {said}", file=sys.stderr, flush=True)
        print(f"\n{table(title, log, results, failures)}", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"some of {','.join(SYSTEMS)}")
    parser.add_argument("--clicks", type=int, default=300_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bursts", type=int, nargs="+", choices=(1, 10), default=[1, 10], help="clicks per message")
    parser.add_argument("--kafka", help="host:port of a cluster, instead of a broker of the benchmark's own")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one run; a slower one is cut off")
    parser.add_argument("--logs", help="folder for what the systems print")
    parser.add_argument("--memory", action="store_true", help="measure the memory of 1,000,000 open sessions instead")
    options = parser.parse_args()
    unknown = set((options.only or "ours").split(",")) - SYSTEMS.keys()
    if unknown:
        parser.error(f"--only: no system is called {', '.join(sorted(unknown))}; there are {', '.join(SYSTEMS)}")
    if options.memory:
        measure_memory()
    elif options.kafka:
        benchmark(options, options.kafka, f"the Kafka cluster at {options.kafka}")
    else:
        with (
            tempfile.TemporaryDirectory(prefix="mos-bench-kafka-") as folder,
            apache_broker(Path(folder), port=free_port()) as broker,
        ):
            pom = ROOT / "streams" / "broker" / "kafka-pom.xml"
            benchmark(options, broker.bootstrap, f"Apache Kafka {pinned(pom, 'kafka_2.13')} on the same machine")


if __name__ == "__main__":
    main()
