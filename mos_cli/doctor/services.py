"""Kafka and the model in service. Heavy imports are inside the functions."""

from __future__ import annotations

from collections.abc import Iterator

from mos_cli.findings import Finding, Status, failed
from mos_online import contracts
from mos_online.contracts import CLICKS, TOPICS
from mos_online.errors import BrokerError, MosError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from streams.kafka.partitions import unequal

KAFKA_TIMEOUT = 5.0
"""Seconds for the cluster to describe itself."""


def kafka(settings: Settings) -> Iterator[Finding]:
    """Whether the cluster answers and has our topics, all with the same number of partitions."""
    from confluent_kafka import KafkaException  # noqa: PLC0415
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    if settings.kafka == "embedded" and not settings.broker_file.exists():
        yield Finding(
            part="Kafka",
            status=Status.WARN,
            found="embedded, not running",
            remedy="start it with `mos kafka` (`mos up` and `mos demo` do), or set MOS_KAFKA=host:port",
        )
        return
    try:
        config = librdkafka_config(settings)
        # Errors reach us as exceptions; librdkafka's own log lines would tear the table.
        described = AdminClient({**config, "log_level": 0, "error_cb": _ignore}).list_topics(timeout=KAFKA_TIMEOUT)
    except (MosError, KafkaException) as error:
        reason = str(error) if isinstance(error, MosError) else error.args[0].str()
        yield Finding(
            part="Kafka", status=Status.FAIL, found=f"{settings.kafka}: {reason}", remedy=_kafka_remedy(settings)
        )
        return
    address = config["bootstrap.servers"]
    yield Finding(part="Kafka", status=Status.PASS, found=f"{len(described.brokers)} broker(s) at {address}")
    counts = {name: len(topic.partitions) for name, topic in described.topics.items()}
    yield topics({name: counts.get(settings.topic(name), 0) for name in TOPICS}, settings)
    clicks = settings.topic(CLICKS)
    if clicks in counts:
        yield arrival(_timestamp_type(settings, clicks), settings)
    ours = [settings.topic(name) for name in TOPICS if settings.topic(name) in counts]
    if settings.kafka != "embedded" and ours:
        yield from rights(settings, ours)


def rights(settings: Settings, topics: list[str]) -> Iterator[Finding]:
    """Whether we may give topics more partitions, if the cluster says so."""
    from streams.kafka.admin import unalterable  # noqa: PLC0415

    try:
        refused = unalterable(settings, topics)
    except BrokerError:  # old clusters do not say
        return
    if refused:
        yield Finding(
            part="rights",
            status=Status.WARN,
            found=f"these credentials may not alter {', '.join(refused)}",
            remedy="allow Alter on them (kafka-acls.sh), or grow all topics yourself when you grow "
            f"{settings.topic(CLICKS)}",
        )


def _timestamp_type(settings: Settings, topic: str) -> str:
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    from streams.kafka.admin import timestamp_type  # noqa: PLC0415

    if settings.kafka == "embedded":
        return "CreateTime"
    admin = AdminClient({**librdkafka_config(settings), "log_level": 0, "error_cb": _ignore})
    try:
        return timestamp_type(admin, topic)
    except BrokerError as error:
        return f"not known: {error}"


def arrival(kind: str, settings: Settings) -> Finding:
    """What the timestamp type of the topic ``clicks`` means for when a click arrived."""
    from streams.kafka.admin import BROKER_TIME  # noqa: PLC0415

    topic = settings.topic(CLICKS)
    if kind == BROKER_TIME["message.timestamp.type"]:
        return Finding(
            part="arrival of clicks", status=Status.PASS, found=f"by the broker's clock ({topic} has {kind})"
        )
    if settings.kafka == "embedded":
        return Finding(part="arrival of clicks", status=Status.INFO, found="by the worker's clock (embedded broker)")
    return Finding(
        part="arrival of clicks",
        status=Status.WARN,
        found=f"by the worker's clock, because the timestamps of {topic} are its producers' ({kind})",
        remedy=f"kafka-configs.sh --alter --topic {topic} --add-config message.timestamp.type=LogAppendTime",
    )


def _ignore(_: object) -> None: ...


def _kafka_remedy(settings: Settings) -> str:
    if settings.kafka == "embedded":
        return "it has died: start it again with `mos kafka` (or `mos up`)"
    return (
        "start the cluster (`docker compose up -d kafka`) or correct MOS_KAFKA and MOS_KAFKA_* (security, certificates)"
    )


def topics(counts: dict[str, int], settings: Settings) -> Finding:
    """What ``counts`` (topic -> partitions, 0 if it does not exist) says."""
    missing = [name for name, count in counts.items() if count == 0]
    if missing:
        return Finding(
            part="topics",
            status=Status.FAIL,
            found=f"missing: {', '.join(missing)}",
            remedy="mos topics create",
        )
    clicks = counts[CLICKS]
    small = {name: count for name, count in counts.items() if count < clicks and name != contracts.DEAD_LETTERS}
    if small:
        return Finding(
            part="topics",
            status=Status.FAIL,
            found=f"{CLICKS} has {clicks} partitions, but {', '.join(f'{n} has {c}' for n, c in small.items())}",
            remedy=f"mos topics create, with MOS_PARTITIONS={clicks} (or start a worker): it gives them more",
        )
    if uneven := unequal(settings, {settings.topic(name): count for name, count in counts.items()}):
        found, _, remedy = uneven.partition(". Run ")
        return Finding(part="topics", status=Status.WARN, found=found, remedy=remedy)
    if clicks != settings.partitions:
        return Finding(
            part="topics",
            status=Status.WARN,
            found=f"all there, with {clicks} partitions; MOS_PARTITIONS is {settings.partitions}",
            remedy=f"set MOS_PARTITIONS={clicks}, so that `mos topics create` can be run again",
        )
    return Finding(part="topics", status=Status.PASS, found=f"all {len(counts)} there, {clicks} partitions each")


def model(settings: Settings) -> Finding:
    """Whether a model is in service, whole, and can be loaded."""
    from mos_online.registry import open_registry  # noqa: PLC0415

    try:
        registry = open_registry(settings)
        if not registry.versions():
            return Finding(
                part="model",
                status=Status.WARN,
                found=f"none in {registry.label}",
                remedy="make one with `mos train` (or `mos demo`, or `docker compose run --rm train`)",
            )
        from mos_online.recommend.recommender import Recommender  # noqa: PLC0415

        recommender = Recommender.load(registry.fetch("champion"))
    except MosError as error:
        return failed("model", error, "mos train")
    found = f"{recommender.model_version}, router {recommender.router_version}, {recommender.router.n_themes} themes"
    return Finding(part="model", status=Status.PASS, found=found)
