"""What Kafka's errors mean to us: which of them waiting mends."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from mos_online.errors import BrokerError, BrokerUnavailableError

FINAL = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own errors have such names
    KafkaError._INVALID_ARG,  # noqa: SLF001
    KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.UNSUPPORTED_VERSION,
}
"""Codes of errors that stay until somebody changes a setting or a right."""


class LastFault:
    """Remembers why a client cannot connect: its calls only say that they timed out.

    Give it to the client as ``error_cb``.
    """

    def __init__(self) -> None:
        self._error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Remember an error, if no waiting mends it."""
        if error.code() in FINAL:
            self._error = error

    def take(self) -> KafkaError | None:
        """The last error that no waiting mends since the last call."""
        error, self._error = self._error, None
        return error


def passes(error: KafkaError) -> bool:
    """Whether the same client may go on when Kafka works again."""
    return error.code() not in FINAL and not error.fatal()


def broker_error(
    error: KafkaException | KafkaError,
    doing: str,
    advice: str = "`mos doctor` says more",
    *,
    client: Callable[[float], object] | None = None,
    last: LastFault | None = None,
) -> BrokerError:
    """Our error for one of Kafka's.

    Args:
        error: what the client has raised.
        doing: what could not be done, such as "cannot reach Kafka".
        advice: how to mend it.
        client: the client's ``poll``, which calls ``last``.
        last: what the client has learned beside.

    Returns:
        A ``BrokerUnavailableError`` if the same may work later, else a ``BrokerError``.
    """
    fault = error if isinstance(error, KafkaError) else error.args[0]
    if client is not None and last is not None:
        client(0)
        fault = last.take() or fault
    kind = BrokerUnavailableError if passes(fault) else BrokerError
    return kind(f"{doing}: {fault.str()}; {advice}")
