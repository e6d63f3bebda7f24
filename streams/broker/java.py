"""Finds what Apache Kafka needs on this machine: a Java, and Kafka's jars, which Maven fetches once."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from mos_online.errors import BrokerError

KAFKA_VERSION = "4.4.0"
OLDEST_JAVA = 17
POM = Path(__file__).with_name("kafka-pom.xml")
INSTALL_JAVA = (
    "`apt-get install openjdk-17-jre-headless` (Debian, Ubuntu) or `brew install openjdk@17` (macOS; then "
    'export JAVA_HOME="$(brew --prefix openjdk@17)")'
)
INSTALL_MAVEN = "`apt-get install maven` (Debian, Ubuntu) or `brew install maven` (macOS)"


def java() -> Path:
    """The Java to run: that of JAVA_HOME, else that of PATH.

    Raises:
        BrokerError: there is none, or it is older than ``OLDEST_JAVA``.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise BrokerError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or newer and there is no java here; install it: {INSTALL_JAVA}"
        )
    said = _output([found, "-version"])
    version = java_version(said)
    if version is None:  # macOS has a java that only says where to get one
        raise BrokerError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or newer, but {found} does not say its version ({said[:200]!r}); "
            f"install it: {INSTALL_JAVA}"
        )
    if version < OLDEST_JAVA:
        raise BrokerError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or newer, but {found} is Java {version}; "
            f"install it: {INSTALL_JAVA}, or set JAVA_HOME to a newer one"
        )
    return Path(found)


def java_version(text: str) -> int | None:
    """The feature release in what ``java -version`` prints.

    >>> java_version('openjdk version "17.0.15" 2025-04-15'), java_version('java version "1.8.0_402"')
    (17, 8)
    """
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def class_path(pom: Path = POM) -> str:
    """Kafka's jars, as Java's ``-cp`` wants them: from our cache, or from Maven where a jar or the cache is missing.

    The first call downloads 45 MB into Maven's repository.

    Raises:
        BrokerError: there is no Maven, or it cannot get the jars.
    """
    cached = cached_class_path(pom)
    if cached is not None:
        return cached
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(
            f"Apache Kafka {KAFKA_VERSION} is fetched with Maven and there is no mvn here; install it: {INSTALL_MAVEN}"
        )
    path = _cache(pom)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    goal = ("dependency:build-classpath", f"-Dmdep.outputFile={draft.absolute()}")
    said = _output([maven, "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", str(pom), *goal])
    if not draft.exists():
        raise BrokerError(
            f"Maven could not get Apache Kafka {KAFKA_VERSION}. Is the network there, and does `mvn` reach its "
            f"repository (~/.m2/settings.xml)? It says:\n{said[-2000:]}"
        )
    draft.replace(path)
    return path.read_text().strip()


def cached_class_path(pom: Path = POM) -> str | None:
    """What ``class_path`` would give without asking Maven, or None."""
    try:
        jars = _cache(pom).read_text().strip()
    except FileNotFoundError:
        return None
    return jars if jars and all(Path(jar).is_file() for jar in jars.split(os.pathsep)) else None


def _cache(pom: Path) -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "mos-online" / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}.classpath"


def _output(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - our own command line
        command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout.decode(errors="replace").strip()
