"""Writes metrics for Prometheus, with the namespace as a label of each where there is one."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector


class _Labelled(Collector):
    """The metrics of a registry with one more label."""

    def __init__(self, registry: Collector, namespace: str) -> None:
        self._registry = registry
        self._namespace = namespace

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, "namespace": self._namespace}) for sample in metric.samples
            ]
            yield metric


def exposition(registry: CollectorRegistry, *, namespace: str) -> bytes:
    """Return the metrics as text.

    Args:
        registry: holds them.
        namespace: of the installation; the label is left out if it is empty.
    """
    if not namespace:
        return generate_latest(registry)
    labelled = CollectorRegistry(auto_describe=False)
    labelled.register(_Labelled(registry, namespace))
    return generate_latest(labelled)
