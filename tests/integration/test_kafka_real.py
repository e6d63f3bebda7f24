"""What only Apache Kafka does: it keeps its data, has transactions, and listeners with TLS and SASL."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

import msgspec
import psutil
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from mos_online import contracts
from mos_online.contracts import Click, Heartbeat, Session
from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config, producer_config
from mos_online.processes import living
from mos_online.settings import Settings
from streams.broker.apache import ApacheBroker
from streams.broker.java import java
from streams.kafka.admin import check_topics, create_topics
from tests.integration.stream_system import FLUSH, PARTITIONS, StreamSystem, stop, stream_system

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
    system.until(lambda: len(system.records(contracts.SESSIONS)) == 1, "the session is closed")
    (record,) = system.records(contracts.SESSIONS)
    assert [e.event_id for e in msgspec.json.decode(record.value or b"", type=Session).events] == ["e"]
    assert stop(worker) == 0


# --- the data


@pytest.mark.slow
def test_what_was_sent_is_there_after_a_restart_and_after_a_crash(
    need_kafka: None, tmp_path: Path, free_port: Callable[[], int]
) -> None:
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
        system.send(contracts.CLICKS, [("u", value) for value in sent])
        other = real("--dir", str(tmp_path / "other"))
        assert system.ended(other) == 2
        assert f"port {port} of 127.0.0.1 is taken" in system.log("kafka")
        os.kill(broker, SIGKILL)
        assert system.ended(first) == 2
        assert "Kafka ended with status -9" in system.log("kafka")

        second = real()
        ready(second, 2)
        assert [r.value for r in system.records(contracts.CLICKS)] == sent
        assert stop(second) == 0

        third = real()
        ready(third, 3)
        assert [r.value for r in system.records(contracts.CLICKS)] == sent
        assert stop(third) == 0


def broker_of(home: Path) -> int:
    """The process that runs in the broker's folder, of which its watcher is a child."""
    folder = str(home / "kafka")
    ours = psutil.Process().children(recursive=True)
    (found,) = living(ours, lambda process: process.name() == "java" and process.cwd() == folder)
    return int(found.pid)


# --- the broker


@pytest.mark.slow
def test_the_shared_broker_has_no_topics_by_itself(
    kafka: ApacheBroker, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with clients_of(kafka.bootstrap, tmp_path / "mos", free_port(), MOS_NAMESPACE="alone.") as system:
        with pytest.raises(BrokerError, match=r"there is no topic alone\.clicks"):
            check_topics(system.settings)
        assert "alone.clicks" in create_topics(system.settings, replication=None)
        assert check_topics(system.settings) == (PARTITIONS, None)


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
        # Who has no access right may do nothing; the controller's own connections have no user.
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin;User:mos;User:ANONYMOUS",
        jaas.format("plain"): plain,
        jaas.format("scram-sha-512"): f"{module.format('scram.ScramLoginModule')};",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(store.with_name("ca.pem")),  # Kafka tries its own certificate
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": STORE_PASSWORD,
    }


def right(user: str, kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    """A right as docs/operations.md gives it."""
    allow = AclPermissionType.ALLOW
    return AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, allow)


RIGHTS = [
    right("shop", ResourceType.TOPIC, contracts.CLICKS, AclOperation.WRITE),
    right("shop", ResourceType.TOPIC, contracts.CLICKS, AclOperation.DESCRIBE),
    right("sam", ResourceType.TOPIC, "*", AclOperation.ALL),
    right("sam", ResourceType.GROUP, "*", AclOperation.ALL),
]


def refusal(settings: Settings, topic: str) -> int | None:
    """The code with which the broker refuses a record of this user; None if it takes it."""
    said: list[KafkaError | None] = []
    producer = Producer(producer_config(settings))
    try:
        producer.produce(topic, b"{}", key=b"u", on_delivery=lambda error, _: said.append(error))
        assert producer.flush(FLUSH) == 0
    except KafkaException as error:
        return int(error.args[0].code())
    (answer,) = said
    return None if answer is None else int(answer.code())


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
    upsertions = [UserScramCredentialUpsertion(user, scram, f"{user}-secret".encode()) for user in ("sam", "shop")]
    admin = AdminClient(client)  # must live until the futures are done
    for done in admin.alter_user_scram_credentials(upsertions).values():
        done.result(10)
    for allowed in admin.create_acls(RIGHTS).values():
        allowed.result(10)
    variables |= {"MOS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "MOS_KAFKA_SASL_USERNAME": "sam"}
    variables |= {"MOS_KAFKA_SASL_PASSWORD": "sam-secret"}
    with clients_of(broker.bootstrap, tmp_path / "scram", free_port(), **variables) as system:
        a_session_passes(system)
        shop = {"kafka_sasl_username": "shop", "kafka_sasl_password": "shop-secret"}
        as_shop = system.settings.model_copy(update=shop)
        refused = {topic: refusal(as_shop, system.settings.topic(topic)) for topic in contracts.TOPICS}
        assert refused.pop(contracts.CLICKS) is None
        assert set(refused.values()) == {KafkaError.TOPIC_AUTHORIZATION_FAILED}

    monkeypatch.setattr("streams.kafka.admin.TIMEOUT", 2.0)
    for wrong in ({"kafka_sasl_password": "wrong"}, {"kafka_ssl_ca": certificate(tmp_path / "other")[1]}):
        with pytest.raises(BrokerError, match="cannot reach Kafka"):
            check_topics(system.settings.model_copy(update=wrong))


@pytest.mark.slow
def test_transactions_are_read_as_their_producers_mean_them(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    """What was aborted was never clicked, and the marks at the end of the log do not keep the wall clock waiting."""
    rules = {"MOS_SESSION_GAP": "1", "MOS_SESSION_LATENESS": "0", "MOS_SESSION_IDLE_TIMEOUT": "1"}
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **rules) as system:
        system.worker("sessionizer")
        topic = system.settings.topic(contracts.CLICKS)
        producer = Producer({**producer_config(system.settings), "transactional.id": topic})
        producer.init_transactions(FLUSH)
        for item, commit in (("kept", True), ("dropped", False)):
            producer.begin_transaction()
            click = Click(event_id=item, user_id="u", item_id=item, timestamp=time.time_ns() // 1_000_000)
            producer.produce(topic, contracts.encode(click), "u")
            producer.flush(FLUSH)
            producer.commit_transaction(FLUSH) if commit else producer.abort_transaction(FLUSH)
        system.until(lambda: len(system.records(contracts.SESSIONS)) > 0, "the session is closed")
        time.sleep(2.5)  # had the aborted click been taken, its session would close by now
        (record,) = system.records(contracts.SESSIONS)
        assert [e.item_id for e in msgspec.json.decode(record.value or b"", type=Session).events] == ["kept"]
        assert system.metric("mos_consumer_lag_records") == 0
