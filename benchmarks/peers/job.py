"""What all peers' programs are told. Imported by them from their own environments, so it needs nothing."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

GAP_MS = 30 * 60_000
LATENESS_MS = 5_000


@dataclass(frozen=True)
class Job:
    """Where to read and write.

    Attributes:
        bootstrap: address of Kafka.
        source: topic of clicks.
        target: topic of sessions.
        group: consumer group, new for every run.
        partitions: of both topics.
        messages: how many the source has.
        envelopes: whether a message is {"user_id", "clicks": [...]} instead of one click.
        state: a folder of this run's own, which exists.
        jar: of the connector, for Flink.
        variant: of the program, if it has several.
    """

    bootstrap: str
    source: str
    target: str
    group: str
    partitions: int
    messages: int
    envelopes: bool
    state: str
    jar: str
    variant: str


def job() -> Job:
    """Read it from the command line."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "source", "target", "group", "state"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--envelopes", action="store_true")
    parser.add_argument("--jar", default="")
    parser.add_argument("--variant", default="")
    return Job(**vars(parser.parse_args()))
