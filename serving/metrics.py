"""What the service counts and measures, in Prometheus' text format."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from mos_online.contracts import Assignment
from mos_online.exposition import exposition
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of prometheus_client: replicas that share this folder answer /metrics for all of them."""

_LATENCY = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STORE = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
_BATCH = (1, 2, 4, 6, 8, 12, 16, 24, 32, 64)


class Metrics:
    """The counters of one replica."""

    def __init__(self) -> None:
        _forget_dead_replicas()
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Counter("mos_serving_requests", "Requests answered.", ["route", "status"], registry=registry)
        self._by_key = Counter(
            "mos_serving_key_requests",
            "Requests answered, by the id of their key.",
            ["key", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "mos_serving_request_duration_seconds",
            "Time to answer a request.",
            ["route"],
            buckets=_LATENCY,
            registry=registry,
        )
        self._fallbacks = Counter(
            "mos_serving_fallbacks", "Answers that were not the model's best.", ["reason"], registry=registry
        )
        self.batch_size = Histogram(
            "mos_serving_batch_queries", "Queries scored together.", buckets=_BATCH, registry=registry
        )
        self.score_seconds = Histogram(
            "mos_serving_score_duration_seconds", "Time to score one batch.", buckets=_LATENCY, registry=registry
        )
        self.store_read_seconds = Histogram(
            "mos_serving_store_read_duration_seconds",
            "Time to read the profiles of one batch.",
            buckets=_STORE,
            registry=registry,
        )
        self.store_failures = Counter(
            "mos_serving_store_read_failures",
            "Reads of the online store that failed or took too long.",
            registry=registry,
        )
        self.damaged_profiles = Counter(
            "mos_serving_damaged_profiles", "Profiles that were read and could not be decoded.", registry=registry
        )
        self.incomplete_store = Gauge(
            "mos_serving_incomplete_store_info",
            "1 while the online store lacks sessions that it had.",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._counts = Gauge(
            "mos_serving_counts_timestamp_seconds",
            "Event time up to which the clicks of a partition are counted in what answers; that of the oldest replica.",
            ["of", "partition"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.refused = Counter(
            "mos_serving_refused_queries", "Queries refused because too many were waiting.", registry=registry
        )
        self._decisions = Counter(
            "mos_serving_decisions",
            "Answers that were to be logged, and whether they were.",
            ["outcome"],
            registry=registry,
        )
        self._reloads = Counter(
            "mos_serving_model_reloads", "New model versions met while serving.", ["outcome"], registry=registry
        )
        self._model = Gauge(
            "mos_serving_model_info",
            "1 for the versions in service.",
            ["model_version", "router_version"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.stale_model = Gauge(
            "mos_serving_stale_model_info",
            "1 while the model in service cannot be read: an older one answers, or none.",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.stale_keys = Gauge(
            "mos_serving_stale_keys_info",
            "1 while the file of keys cannot be read and the keys from before hold.",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._arms = Counter(
            "mos_serving_arm_answers",
            "Answers to users of an experiment, by their arm, and why the control gave it if it did.",
            ["experiment", "version", "arm", "control_because"],
            registry=registry,
        )
        self.stale_experiments = Gauge(
            "mos_serving_stale_experiments_info",
            "1 while other experiments than those in force may be meant, or a model of an arm cannot be loaded.",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._versions: tuple[str, str] | None = None
        self._of_route = cache(self._labelled)  # looking them up costs as much as counting
        self._of_arm = cache(self._labelled_arm)

    def answered(self, *, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        requests, durations = self._of_route(route, status)
        requests.inc()
        durations.observe(seconds)

    def asked(self, key: str, *, status: int) -> None:
        """Count one answered request of the key with this id."""
        self._by_key.labels(key, str(status)).inc()

    def fell_back(self, reason: str) -> None:
        """Count one answer that came from a fallback source."""
        self._fallbacks.labels(reason).inc()

    def assigned(self, assignments: Sequence[Assignment]) -> None:
        """Count one answer for each arm of the user."""
        for one in assignments:
            self._of_arm(one.experiment, one.version, one.arm, one.control_because).inc()

    def decided(self, outcome: str) -> None:
        """Count one answer that was logged, or was not for this reason."""
        self._decisions.labels(outcome).inc()

    def reloaded(self, *, ok: bool) -> None:
        """Count one attempt to put a new version into service."""
        self._reloads.labels("ok" if ok else "failed").inc()

    def in_service(self, model_version: str, router_version: str) -> None:
        """Note which versions answer from now on."""
        if self._versions == (model_version, router_version):
            return
        if self._versions is not None:
            self._model.labels(*self._versions).set(0)
        self._versions = (model_version, router_version)
        self._model.labels(model_version, router_version).set(1)

    def counts_reach(self, of: str, snapshots: Sequence[PopularitySnapshot] | Sequence[CoClickSnapshot]) -> None:
        """Note up to when the counts that answers use from now on reach."""
        for one in snapshots:
            self._counts.labels(of, str(one.partition)).set(one.as_of / 1000)

    def render(self, *, namespace: str = "") -> bytes:
        """Return all metrics as text: those of every replica on this machine if they share a folder, else our own.

        Args:
            namespace: a label of each, where there is one.
        """
        if MULTIPROCESS_DIR in os.environ:
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]
            return exposition(together, namespace=namespace)
        return exposition(self._registry, namespace=namespace)

    def _labelled(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, str(status)), self._seconds.labels(route)

    def _labelled_arm(self, experiment: str, version: int, arm: str, because: str | None) -> Counter:
        return self._arms.labels(experiment, str(version), arm, because or "")


def _forget_dead_replicas() -> None:
    """Remove what replicas have said of their counts that do not run any more: it would be the oldest for ever."""
    folder = os.environ.get(MULTIPROCESS_DIR)
    for path in Path(folder).glob("gauge_live*_*.db") if folder else ():
        found = re.search(r"_(\d+)\.db$", path.name)
        if found and not psutil.pid_exists(int(found[1])):
            mark_process_dead(int(found[1]), folder)  # type: ignore[no-untyped-call]
