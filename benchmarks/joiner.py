"""Records per second of the joiner's core, and the memory of an open decision.

    python benchmarks/joiner.py [--decisions 300000]

One thread, in memory, no Kafka: 100 decisions of 10 items a second of event time, each with an impression of 5 items
and two clicks. Event time goes on as in the worker, and records are decoded and checkpoints encoded as there.
"""

from __future__ import annotations

import argparse
import gc
import time

import numpy as np
import psutil

from mos_online import contracts
from mos_online.contracts import AcceptedClick, AcceptedClicks, Decision, Impression, RankedItem
from mos_online.feedback.checkpoint import JoinerCheckpoint, JoinStep, Offsets
from mos_online.feedback.joiner import Joiner
from mos_online.feedback.rules import JoinRules
from streams.kafka.decoding import json_decoder

START = 1_700_000_000_000
RATE = 100
"""Decisions per second of event time."""


def records(count: int) -> list[tuple[int, str, bytes]]:
    """Time, kind and value of each record, in order of time."""
    rng = np.random.default_rng(0)
    found: list[tuple[int, str, bytes]] = []
    users = rng.integers(0, max(1, count // 5), count).tolist()
    chosen = rng.integers(0, 20_000, (count, 10)).tolist()
    for number, (user, items) in enumerate(zip(users, chosen, strict=True)):
        at, name = START + number * 1000 // RATE, f"u{user}"
        decision = Decision(
            request_id=f"{number:032x}",
            user_id=name,
            timestamp=at,
            trigger="request",
            items=[
                RankedItem(item_id=f"item-{item}", score=1 / (3 + rank), theme=rank) for rank, item in enumerate(items)
            ],
            candidates=20_000,
            model_version="m",
            router_version="r",
            fallback=None,
        )
        shown = [item.item_id for item in decision.items[:5]]
        impression = Impression(
            event_id=f"s{number}", user_id=name, request_id=decision.request_id, item_ids=shown, timestamp=at + 1
        )
        clicks = [
            AcceptedClick(2 * number, at + 5000, 1.0, name, shown[0], None, decision.request_id),
            AcceptedClick(2 * number + 1, at + 5000, 1.0, name, f"item-{(items[0] + 1) % 20_000}"),
        ]
        found += [(at, "decision", contracts.encode(decision)), (at + 1, "impression", contracts.encode(impression))]
        found.append((at + 5000, "clicks", contracts.encode(AcceptedClicks.of("log", clicks))))
    return sorted(found, key=lambda one: one[0])


def main() -> None:
    """Print a few lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=300_000)
    count = parser.parse_args().decisions
    log = records(count)
    decision, clicks = json_decoder(Decision), json_decoder(AcceptedClicks)
    rules = JoinRules()
    joiner = Joiner(rules)
    checkpoint = JoinerCheckpoint.of_nothing(rules, Offsets(0, 0, 0))
    gc.collect()
    before, began = psutil.Process().memory_info().rss, time.process_time()
    outcomes, most, largest, rss = 0, 0, 0, 0
    for offset, (at, kind, value) in enumerate(log):
        if kind == "decision":
            joiner.take_decision(decision(value), offset)
        elif kind == "impression":
            joiner.take_impression(contracts.decode_impression(value), offset)
        else:
            joiner.take_clicks(clicks(value), offset)
        watermark = at - rules.lateness
        if watermark >= checkpoint.steps[-1].watermark + rules.step:
            step = JoinStep.of(joiner, watermark, Offsets(offset + 1, offset + 1, offset + 1))
            checkpoint = checkpoint.with_step(step, joiner.needed())
            largest = max(largest, len(contracts.encode(checkpoint)))
            outcomes += len([contracts.encode(outcome) for outcome in joiner.advance(watermark)])
            if joiner.open > most:
                most, rss = joiner.open, psutil.Process().memory_info().rss
    seconds = time.process_time() - began
    print(f"{len(log) / seconds:,.0f} records/s ({count / seconds:,.0f} decisions/s), CPU time of one core")
    print(f"{outcomes:,} outcomes; at most {most:,} open decisions, {(rss - before) / most / 1000:.1f} kB each")
    print(f"the largest checkpoint: {largest / 1000:.1f} kB")


if __name__ == "__main__":
    main()
