"""Settings in librdkafka's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from mos_online.errors import BrokerError, SettingsError
from mos_online.kafka_config import librdkafka_config, producer_config
from mos_online.settings import Settings


def test_a_plain_cluster() -> None:
    config = librdkafka_config(Settings(kafka="one:9092,two:9092"))
    assert config == {"bootstrap.servers": "one:9092,two:9092", "security.protocol": "PLAINTEXT"}


def test_the_embedded_broker_is_found_by_its_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(BrokerError, match="start it with `mos kafka`"):
        librdkafka_config(settings)
    settings.broker_file.write_text("{}")
    with pytest.raises(BrokerError, match="start it again with `mos kafka`"):
        librdkafka_config(settings)
    settings.broker_file.write_text('{"bootstrap": "127.0.0.1:4711"}')
    assert librdkafka_config(settings)["bootstrap.servers"] == "127.0.0.1:4711"


def test_credentials_and_certificates(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("pem")
    config = librdkafka_config(
        Settings(
            kafka="host:9093",
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="me",
            kafka_sasl_password="secret",
            kafka_ssl_ca=ca,
        )
    )
    assert config == {
        "bootstrap.servers": "host:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "secret",
        "ssl.ca.location": str(ca),
    }


def test_half_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MOS_KAFKA_SASL_USERNAME"):
        librdkafka_config(Settings(kafka="h:1", kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_username="me"))
    with pytest.raises(SettingsError, match=r"MOS_KAFKA_SSL_KEY.*no such file"):
        librdkafka_config(Settings(kafka="h:1", kafka_security_protocol="SSL", kafka_ssl_key=tmp_path / "key.pem"))


def test_producers_agree_on_partitions_and_lose_nothing() -> None:
    config = producer_config(Settings(kafka="host:9092"))
    assert config["partitioner"] == "murmur2_random"
    assert config["acks"] == "all"
