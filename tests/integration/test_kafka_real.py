"""`mos kafka --real`, Apache Kafka as a child, and the secured listener of a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL

import msgspec
import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from stream_system import PARTITIONS, StreamSystem, stop, stream_system

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session
from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config, producer_config
from streams.broker.apache import ApacheBroker
from streams.broker.java import cached_class_path, class_path, java
from streams.kafka.admin import check_topics, create_topics

OwnKafka = Callable[..., ApacheBroker]
BEGIN = 1_600_000_000_000


@contextmanager
def clients_of(bootstrap: str, home: Path, port: int, **variables: str) -> Iterator[StreamSystem]:
    system = StreamSystem(home, port, {"MOS_KAFKA": bootstrap, **variables})
    try:
        yield system
    finally:
        system.close()


def a_session_passes(system: StreamSystem) -> None:
    worker = system.worker("sessionizer")
    click = Click(event_id="e", user_id="u", item_id="i", timestamp=BEGIN)
    system.send(contracts.CLICKS, [("u", contracts.encode(click))])
    system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=BEGIN + 10**9)))
    system.until(lambda: len(system.records(contracts.SESSIONS)) == 1, "the session is closed", 30)
    (record,) = system.records(contracts.SESSIONS)
    assert [e.event_id for e in msgspec.json.decode(record.value or b"", type=Session).events] == ["e"]
    assert stop(worker) == 0


# --- the command


@pytest.mark.slow
def test_the_command_and_its_data(need_kafka: None, tmp_path: Path, free_port: Callable[[], int]) -> None:
    home, port = tmp_path / "mos", free_port()
    sent = [b"%d" % n for n in range(1000)]

    with clients_of(f"127.0.0.1:{port}", home, free_port()) as system:

        def real(*options: str) -> subprocess.Popen[bytes]:
            return system.mos("kafka", "--real", "--port", str(port), *options)

        def ready(command: subprocess.Popen[bytes], times: int) -> int:
            def done() -> bool:
                assert command.poll() is None, system.log("kafka")
                return system.log("kafka").count("export MOS_KAFKA=") == times

            system.until(done, "the broker is ready")
            return broker_of(home)

        first = real()
        broker = ready(first, 1)
        assert f"export MOS_KAFKA=127.0.0.1:{port}\n" in system.log("kafka")
        assert check_topics(system.settings) == PARTITIONS
        second, third = real(), real("--dir", str(tmp_path / "other"))
        system.send(contracts.CLICKS, [("u", value) for value in sent])
        assert (second.wait(60), third.wait(60)) == (2, 2)
        assert f"(process {broker}) already runs on" in system.log("kafka")
        assert f"port {port} of 127.0.0.1 is taken" in system.log("kafka")
        os.kill(broker, SIGKILL)
        assert first.wait(30) == 2
        assert "Kafka ended with status -9" in system.log("kafka")

        fourth = real()
        broker = ready(fourth, 2)
        assert [r.value for r in system.records(contracts.CLICKS)] == sent
        assert stop(fourth) == 0
        assert not psutil.pid_exists(broker)

        fifth = real()
        broker = ready(fifth, 3)
        assert [r.value for r in system.records(contracts.CLICKS)] == sent
        fifth.send_signal(SIGKILL)
        system.until(lambda: not psutil.pid_exists(broker), "the broker has followed")


@pytest.mark.slow
def test_a_ctrl_c_while_it_starts_leaves_nothing(
    need_kafka: None, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    home, port = tmp_path / "mos", free_port()
    with clients_of(f"127.0.0.1:{port}", home, free_port()) as system:
        command = system.mos("kafka", "--real", "--port", str(port))
        system.until((home / "kafka" / "kafka.pid").exists, "Kafka starts")
        system.until(lambda: broker_of(home) > 0, "its process is known")
        broker = broker_of(home)
        assert stop(command, SIGINT) == 130
        assert not psutil.pid_exists(broker)
        assert not (home / "kafka" / "kafka.pid").exists()


def broker_of(home: Path) -> int:
    return int((home / "kafka" / "kafka.pid").read_text() or 0)


# --- what may be missing


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
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)

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


# --- the broker


@pytest.mark.slow
def test_the_shared_broker_has_no_topics_by_itself(
    kafka: ApacheBroker, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with clients_of(kafka.bootstrap, tmp_path / "mos", free_port(), MOS_NAMESPACE="alone.") as system:
        with pytest.raises(BrokerError, match=r"there is no topic alone\.clicks"):
            check_topics(system.settings)
        assert "alone.clicks" in create_topics(system.settings, replication=None)
        assert check_topics(system.settings) == PARTITIONS


@pytest.mark.slow
def test_a_start_that_fails_leaves_nothing_and_shows_the_log(own_kafka: OwnKafka, free_port: Callable[[], int]) -> None:
    missing = {"listeners": f"SSL://127.0.0.1:{(port := free_port())}", "security.inter.broker.protocol": "SSL"}
    missing |= {"listener.security.protocol.map": "SSL:SSL,CONTROLLER:PLAINTEXT"}
    before = psutil.Process().children()
    with pytest.raises(BrokerError, match=r"(?s)stopped at its start.*The end of .*kafka\.log:.*  "):
        own_kafka(port=port, properties={**missing, "ssl.keystore.location": "/nowhere.p12"})
    assert psutil.Process().children() == before


# --- security


SECRETS = {"admin": "admin-secret", "mos": "mos-secret"}
STORE_PASSWORD = "store-secret"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key store (PKCS12) of 127.0.0.1, and the certificate (PEM) that clients are to trust."""
    folder.mkdir()
    store, pem = folder / "broker.p12", folder / "ca.pem"
    keytool = [str(java().with_name("keytool")), "-keystore", str(store), "-storepass", STORE_PASSWORD, "-alias", "b"]
    extensions = ["-ext", "san=ip:127.0.0.1", "-ext", "bc:c=ca:true", "-ext", "ku:c=digitalSignature,keyCertSign"]
    key = ["-genkeypair", "-storetype", "PKCS12", "-keyalg", "EC", "-dname", "CN=127.0.0.1", "-validity", "2"]
    subprocess.run([*keytool, *key, *extensions], check=True, capture_output=True)
    subprocess.run([*keytool, "-exportcert", "-rfc", "-file", str(pem)], check=True, capture_output=True)
    return store, pem


def secured(port: int, store: Path) -> dict[str, str]:
    """A listener that wants TLS, and PLAIN or SCRAM-SHA-512."""
    users = " ".join(f'user_{name}="{secret}"' for name, secret in SECRETS.items())
    jaas, module = "listener.name.sasl_ssl.{}.sasl.jaas.config", "org.apache.kafka.common.security.{} required"
    plain = f'{module.format("plain.PlainLoginModule")} username="admin" password="{SECRETS["admin"]}" {users};'
    return {
        "listeners": f"SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "security.inter.broker.protocol": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        jaas.format("plain"): plain,
        jaas.format("scram-sha-512"): f"{module.format('scram.ScramLoginModule')};",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(store.with_name("ca.pem")),  # Kafka tries its own certificate
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": STORE_PASSWORD,
    }


@pytest.mark.slow
def test_tls_and_sasl(
    own_kafka: OwnKafka, tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ca = certificate(tmp_path / "own")
    port = free_port()
    variables = {
        "MOS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "MOS_KAFKA_SASL_USERNAME": "mos",
        "MOS_KAFKA_SASL_PASSWORD": SECRETS["mos"],
        "MOS_KAFKA_SSL_CA": str(ca),
    }
    with clients_of(f"127.0.0.1:{port}", tmp_path / "plain", free_port(), **variables) as system:
        client = librdkafka_config(system.settings)
        broker = own_kafka(port=port, properties=secured(port, store), client=client)
        create_topics(system.settings, replication=1)

    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    upsertion = UserScramCredentialUpsertion("sam", scram, b"sam-secret")
    admin = AdminClient(client)  # must live until the futures are done
    for done in admin.alter_user_scram_credentials([upsertion]).values():
        done.result(10)
    variables |= {"MOS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "MOS_KAFKA_SASL_USERNAME": "sam"}
    variables |= {"MOS_KAFKA_SASL_PASSWORD": "sam-secret"}
    with clients_of(broker.bootstrap, tmp_path / "scram", free_port(), **variables) as system:
        a_session_passes(system)

    monkeypatch.setattr("streams.kafka.admin.TIMEOUT", 2.0)
    for wrong in ({"kafka_sasl_password": "wrong"}, {"kafka_ssl_ca": certificate(tmp_path / "other")[1]}):
        with pytest.raises(BrokerError, match="cannot reach Kafka"):
            check_topics(system.settings.model_copy(update=wrong))


def test_transactions_are_read_as_their_producers_mean_them(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    """What was aborted was never clicked, and the marks at the end of the log do not keep the wall clock waiting."""
    rules = {"MOS_SESSION_GAP": "1", "MOS_SESSION_LATENESS": "0", "MOS_SESSION_IDLE_TIMEOUT": "1"}
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **rules) as system:
        system.worker("sessionizer")
        topic = system.settings.topic(contracts.CLICKS)
        producer = Producer({**producer_config(system.settings), "transactional.id": topic})
        producer.init_transactions(30)
        for item, commit in (("kept", True), ("dropped", False)):
            producer.begin_transaction()
            click = Click(event_id=item, user_id="u", item_id=item, timestamp=time.time_ns() // 1_000_000)
            producer.produce(topic, contracts.encode(click), "u")
            producer.flush(30)
            producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        system.until(lambda: len(system.records(contracts.SESSIONS)) > 0, "the session is closed", 20)
        time.sleep(2.5)  # had the aborted click been taken, its session would close by now
        (record,) = system.records(contracts.SESSIONS)
        assert [e.item_id for e in msgspec.json.decode(record.value or b"", type=Session).events] == ["kept"]
        assert system.metric("mos_consumer_lag_records") == 0
