"""Publishing and reading ranges, on librdkafka's mock cluster inside this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from mos_online.errors import BrokerError, ContractError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams.broker.librdkafka import MockCluster
from streams.kafka.log_reader import LogReader
from streams.kafka.records import of_confluent
from tests.streams.raw_batches import STANDS_FOR_IT, Sent, send_raw


@pytest.fixture
def cluster(mos_home: Settings) -> Iterator[Settings]:
    cluster = MockCluster()
    cluster.create_topics(["t", "empty"], partitions=2)
    mos_home.home.mkdir()
    mos_home.broker_file.write_text(json.dumps({"bootstrap": cluster.bootstrap}))
    yield mos_home
    cluster.close()


@pytest.fixture
def reader(cluster: Settings) -> Iterator[LogReader]:
    reader = LogReader(cluster)
    yield reader
    reader.close()


def publish(settings: Settings, n: int, size: int = 1) -> None:
    async def run() -> None:
        producer = RecordProducer(settings)
        for number in range(n):
            producer.publish("t", b"k", str(number).encode() * size, partition=1, headers=(("h", b"v"),))
            await producer.relieve()
        await producer.flush()

    asyncio.run(run())


def test_a_range_is_read_in_order_and_no_further(cluster: Settings, reader: LogReader) -> None:
    publish(cluster, 30)
    assert reader.bounds("t", 1) == (0, 30)
    assert [m.value() for m in reader.read("t", 1, 10, 20)] == [str(n).encode() for n in range(10, 20)]
    assert [m.headers() for m in reader.read("t", 1, 29, 30)] == [[("h", b"v")]]
    assert list(reader.read("t", 1, 30, 30)) == []


def test_the_partitions_of_a_topic_are_counted(cluster: Settings, reader: LogReader) -> None:
    publish(cluster, 1)
    count = reader.partitions("t")
    assert count > 1
    assert reader.bounds("t", count - 1)[1] <= 1
    with pytest.raises(BrokerError):
        reader.bounds("t", count)
    assert reader.partitions("nothing") == 0


def test_records_are_read_backwards(cluster: Settings, reader: LogReader) -> None:
    assert list(reader.backwards("empty", 0)) == []
    publish(cluster, 30)
    assert [message.value() for message in reader.backwards("t", 1)] == [b"%d" % n for n in reversed(range(30))]


def test_records_that_retention_dropped_are_missed(cluster: Settings, reader: LogReader) -> None:
    publish(cluster, 20, size=300_000)  # the mock cluster keeps 5 MiB
    low, high = reader.bounds("t", 1)
    assert 0 < low < high == 20
    with pytest.raises(BrokerError, match=rf"begins at offset {low}, but 0 is needed"):
        list(reader.read("t", 1, 0, high))


def test_a_topic_that_does_not_exist(reader: LogReader) -> None:
    with pytest.raises(BrokerError, match="mos topics create"):
        reader.bounds("nothing", 7)


def test_a_record_too_large_for_kafka_is_refused_at_once(cluster: Settings) -> None:
    producer = RecordProducer(cluster)
    with pytest.raises(ContractError, match="2000000 bytes"):
        producer.publish("t", None, b"x" * 2_000_000)
    asyncio.run(producer.flush())  # nothing is waited for


def test_flush_waits_only_for_what_was_published_before_it(cluster: Settings, reader: LogReader) -> None:
    async def run() -> None:
        producer = RecordProducer(cluster)
        stop = asyncio.Event()

        async def chatter() -> None:
            while not stop.is_set():
                producer.publish("t", None, b"chatter", partition=0)
                await asyncio.sleep(0)

        chattering = asyncio.create_task(chatter())
        for number in range(20):
            producer.publish("t", None, str(number).encode(), partition=1)
            await asyncio.wait_for(producer.flush(), 30)
            assert reader.bounds("t", 1)[1] == number + 1
        stop.set()
        await chattering
        await producer.flush()

    asyncio.run(run())


def test_a_record_that_cannot_be_delivered_fails_this_flush_and_every_later_one(cluster: Settings) -> None:
    async def run() -> None:
        producer = published_to_a_partition_that_is_not_there(cluster)
        for _ in range(2):
            with pytest.raises(BrokerError, match="did not accept a record for t"):
                await producer.flush()

    asyncio.run(run())


def published_to_a_partition_that_is_not_there(cluster: Settings) -> RecordProducer:
    """A producer that learns only after it has taken the record that there is no such partition.

    On a busy machine the client may know before: then it refuses at once, which is another test's business.
    """
    for _ in range(100):
        producer = RecordProducer(cluster)
        try:
            producer.publish("t", None, b"v", partition=77)
        except BrokerError:
            continue
        return producer
    raise AssertionError("the client always knew the partitions before it took the record")


def test_a_header_with_a_name_that_is_not_utf8_hides_all_headers_of_its_record(
    cluster: Settings, reader: LogReader
) -> None:
    good, bad = ("h", b"v"), (STANDS_FOR_IT, b"x")
    headers: list[list[tuple[str, bytes | None]]] = [
        [good],
        [bad],
        [bad, good],
        [good, bad],
        [bad, bad],
        [],
        [("\u20ac", None)],
    ]
    sent: list[Sent] = [(b"k", b"%d" % number, each) for number, each in enumerate(headers)]
    send_raw(str(librdkafka_config(cluster)["bootstrap.servers"]), "t", 1, sent)
    for _ in range(3):  # the client raises different errors
        found = [of_confluent(message) for message in reader.read("t", 1, 0, len(sent))]
        assert [record.value for record in found] == [value for _, value, _ in sent]
        assert [record.headers for record in found] == [(good,), (), (), (), (), (), (("\u20ac", None),)]
