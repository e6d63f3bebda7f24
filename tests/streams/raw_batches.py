"""Batches of records as they lie in a log, with header names of any bytes, which no client would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

import aiokafka.producer.message_accumulator as accumulator
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
NOT_UTF8 = b"\xff\xfe\xff\xfe"
STANDS_FOR_IT = "QQQQ"
"""A header of this name has ``NOT_UTF8`` as its name in the log."""

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Key, value, headers."""


class AnyNames(_DefaultRecordBatchBuilderPy):  # type: ignore[misc]
    """Builds a batch, then puts ``NOT_UTF8`` in its place."""

    def _maybe_compress(self) -> bool:
        self._buffer[:] = self._buffer.replace(STANDS_FOR_IT.encode(), NOT_UTF8)
        return bool(super()._maybe_compress())


def send_raw(bootstrap: str, topic: str, partition: int, sent: Sequence[Sent], *, codec: str = "none") -> None:
    """Send records that no client would send."""

    async def send() -> None:
        compression = None if codec == "none" else codec
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, compression_type=compression, max_request_size=2_000_000
        )
        await producer.start()
        for key, value, headers in sent:
            await producer.send_and_wait(topic, value, key=key, headers=headers, partition=partition)
        await producer.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accumulator, "DefaultRecordBatchBuilder", AnyNames)
        asyncio.run(send())


def raw_batch(records: Sequence[Sent], *, codec: str = "none", base: int = 0) -> bytes:
    """A batch of the present format whose first record has the offset ``base``."""
    builder = AnyNames(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=10**7,
    )
    for number, (key, value, headers) in enumerate(records):
        assert builder.append(number, 5 + number, key, value, headers) is not None
    raw = bytearray(builder.build())
    struct.pack_into(">q", raw, 0, base)  # not covered by the checksum
    assert struct.unpack_from(">I", raw, builder.CRC_OFFSET)[0] == calc_crc32c(raw[builder.ATTRIBUTES_OFFSET :])
    return bytes(raw)
