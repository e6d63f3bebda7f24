"""Translates our settings into librdkafka's names. It builds dictionaries only and imports no Kafka client."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mos_online.errors import BrokerError, BrokerUnavailableError, SettingsError
from mos_online.settings import Settings

PARTITIONER = "murmur2_random"
"""The partitioner of every producer. It is the Java client's default, so a user has the same partition number in every
topic, whoever wrote it."""


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``Settings.broker_file``, which the embedded broker writes.

    Attributes:
        bootstrap: its address, host:port.
    """

    bootstrap: str


def librdkafka_config(settings: Settings) -> dict[str, str | int]:
    """The address and credentials of the cluster, which consumers, producers and admin clients share.

    Raises:
        BrokerError: the embedded broker has not been started.
        SettingsError: SASL without credentials, or a certificate file that does not exist.
    """
    config: dict[str, str | int] = {
        "bootstrap.servers": _bootstrap(settings),
        "security.protocol": settings.kafka_security_protocol,
    }
    if "SASL" in settings.kafka_security_protocol:
        if not settings.kafka_sasl_username or not settings.kafka_sasl_password:
            raise SettingsError(
                f"MOS_KAFKA_SECURITY_PROTOCOL={settings.kafka_security_protocol} needs MOS_KAFKA_SASL_USERNAME "
                "and MOS_KAFKA_SASL_PASSWORD"
            )
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = settings.kafka_sasl_password
    if "SSL" in settings.kafka_security_protocol:
        for name, variable, path in (
            ("ssl.ca.location", "MOS_KAFKA_SSL_CA", settings.kafka_ssl_ca),
            ("ssl.certificate.location", "MOS_KAFKA_SSL_CERTIFICATE", settings.kafka_ssl_certificate),
            ("ssl.key.location", "MOS_KAFKA_SSL_KEY", settings.kafka_ssl_key),
        ):
            if path is not None:
                config[name] = _existing(path, variable)
    return config


def producer_config(settings: Settings) -> dict[str, str | int]:
    """The configuration of a producer.

    A retry loses, doubles or reorders no record. Records are collected into batches for 5 ms.

    Raises:
        BrokerError: the embedded broker has not been started.
        SettingsError: SASL without credentials, or a certificate file that does not exist.
    """
    return {
        **librdkafka_config(settings),
        "partitioner": PARTITIONER,
        "acks": "all",
        "enable.idempotence": 1,
        "linger.ms": 5,
    }


def require_same_broker(settings: Settings, bootstrap: str | int) -> None:
    """Check that a client which has connected to ``bootstrap`` still talks to the broker of the settings.

    The embedded broker gets another address when it is started again, and its records are gone.

    Raises:
        BrokerUnavailableError: the embedded broker does not run.
        BrokerError: it has been started anew.
    """
    if _bootstrap(settings) != bootstrap:
        raise BrokerError("the embedded broker has been started anew, with empty topics: start this command again, too")


def _bootstrap(settings: Settings) -> str:
    if settings.kafka != "embedded":
        return settings.kafka
    path = settings.broker_file
    try:
        return msgspec.json.decode(path.read_bytes(), type=BrokerAddress).bootstrap
    except FileNotFoundError:
        raise BrokerUnavailableError(
            f"the embedded broker is not running ({path} does not exist): start it with `mos kafka`, "
            "or set MOS_KAFKA=host:port to use a Kafka cluster"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise BrokerError(
            f"the embedded broker's address cannot be read from {path} ({error}): start it again with `mos kafka`"
        ) from None


def _existing(path: Path, variable: str) -> str:
    if not path.is_file():
        raise SettingsError(f"{variable}={path}: no such file; give the path of a PEM file")
    return str(path)
