"""How long until the last replica of a running `mos serve` answers with a revision of the router, under load.

    mos serve --replicas 2 &
    python benchmarks/router_updates.py [--updates 50] [--clients 8] [--rows 1000]

Revisions of the model in service are published one after the other, as `mos learn` does: into the registry, then into
the online store. Clients ask all the time. A revision is live everywhere when the last answer with an older one was
asked for. The model's router is restored at the end. Run it on a registry that holds nothing of value.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
from asking_clients import AskingClients

from features.store import OnlineStore
from mos_cli.routers.revisions import RevisionsInService
from mos_online.contracts import RouterUpdate
from mos_online.settings import Settings
from mos_online.themes import Router
from mos_online.themes.updates import restored, shortened, update_of

PAUSE = 1.5
"""Seconds between two revisions."""


def made(base: Router, sequence: int, rows: int) -> RouterUpdate:
    """A revision that moves so many rows, none of them far."""
    names = base.items[:rows]
    table = base.vectors(names, [None] * len(names)) + np.random.default_rng(sequence).normal(0, 0.01, (len(names), 1))
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    revision = base.revised(names, unit, prototypes=base.prototypes, tau=base.tau, sequence=sequence)
    begins = int(time.time() * 1000)
    return update_of(base, revision, arm="champion", effective_from=begins, through=(begins, "s"), sessions=1)


def main() -> None:
    """Publish revisions under load, and print how long they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=50)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=1000, help="vectors of each")
    options = parser.parse_args()
    settings = Settings()
    service, store = RevisionsInService(settings), OnlineStore.open(settings)
    first = service.history.newest()
    start = first.sequence if first is not None else 0
    published: list[tuple[str, float]] = []
    clients = AskingClients(settings, options.clients, key="router_version")
    time.sleep(PAUSE)
    for sequence in range(start + 1, start + options.updates + 1):
        update = made(service.base, sequence, options.rows)
        published.append((update.version, time.monotonic()))
        service.history.add(update)
        store.routers.write(shortened(update, service.history.place(sequence)))
        time.sleep(PAUSE)
    clients.stop()
    newest = service.history.newest()
    if newest is not None:
        last = restored(service.base, newest, None, effective_from=0, held=False)
        service.history.add(last)
        store.routers.write(shortened(last, service.history.place(last.sequence)))
    number = {version: at for at, (version, _) in enumerate(published)}
    seen = [(one.asked, one.made_by) for one in clients.answers if one.made_by is not None]
    took = [
        max((asked for asked, version in seen if number.get(version, -1) < at), default=begun) - begun
        for at, (_, begun) in enumerate(published)
    ]
    p50, p99 = np.quantile(np.maximum(took, 0), [0.5, 0.99])
    slow = np.quantile([one.seconds for one in clients.answers], 0.99)
    statuses = dict(Counter(one.status for one in clients.answers))
    print(f"{len(clients.answers):,} answers, statuses {statuses}, p99 {1000 * slow:.1f} ms")
    print(
        f"{len(took)} revisions of {options.rows:,} vectors: live in the last replica after p50 {p50:.3f} s, ", end=""
    )
    print(f"p99 {p99:.3f} s, at most {max(took):.3f} s")


if __name__ == "__main__":
    main()
