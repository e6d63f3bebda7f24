"""Finding Java, Maven and Kafka's jars, and what is said where they are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mos_online.errors import BrokerError
from streams.broker.java import cached_class_path, class_path, java


def program(folder: Path, name: str, says: str, status: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH; nothing is cached."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


@pytest.mark.slow
def test_the_command_tells_what_to_install(programs: Path, tmp_path: Path) -> None:
    def real() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mos_cli", "kafka", "--real"]
        environment = {**os.environ, "MOS_HOME": str(tmp_path / "mos")}
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)

    without_java = real()
    program(programs, "java", 'openjdk version "21.0.1" 2023-10-17')
    without_maven = real()
    for done, wanted in ((without_java, "openjdk-17-jre-headless"), (without_maven, "apt-get install maven")):
        assert done.returncode == 2
        assert wanted in done.stderr
        assert "brew install" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "mos").exists()


def test_an_old_java_is_named_and_java_home_goes_first(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "java", 'java version "1.8.0_402"')
    with pytest.raises(BrokerError, match=r"is Java 8; install it: .*openjdk-17"):
        java()
    program(tmp_path / "newer" / "bin", "java", 'openjdk version "17" 2021-09-14')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "newer"))
    assert java() == tmp_path / "newer" / "bin" / "java"


def test_a_java_that_is_none_is_named(programs: Path) -> None:
    program(programs, "java", "Unable to locate a Java Runtime.", 1)
    with pytest.raises(BrokerError, match=r"Unable to locate a Java Runtime.*brew install openjdk@17"):
        java()


def test_maven_s_fault_is_told(programs: Path) -> None:
    program(programs, "mvn", "[ERROR] Unknown host", 1)
    with pytest.raises(BrokerError, match=r"(?s)Is the network there.*Unknown host"):
        class_path()


def test_maven_is_asked_again_when_a_jar_or_the_pom_has_changed(programs: Path, tmp_path: Path) -> None:
    jar, pom = tmp_path / "a.jar", tmp_path / "pom.xml"
    pom.write_text("<project/>")
    maven = f'for x in "$@"; do case $x in -Dmdep.outputFile=*) echo {jar} > "${{x#*=}}"; : > {jar};; esac; done'
    program(programs, "mvn", f"'; {maven}; echo '")
    assert cached_class_path(pom) is None
    assert class_path(pom) == str(jar) == cached_class_path(pom)
    jar.unlink()
    assert cached_class_path(pom) is None
    assert class_path(pom) == str(jar)
    pom.write_text("<project></project>")
    assert cached_class_path(pom) is None
