"""Numbers for Prometheus, gathered when it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import prometheus_client
from prometheus_client import core as prometheus

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True)
class Metric:
    """A number for Prometheus, or several that differ in their labels.

    Attributes:
        name: with the unit last, as in `sidereal_tick_seconds`; a counter without `_total`.
        text: one line of help.
        values: by the values of the labels, () without labels.
        labels: their names.
    """

    name: str
    kind: Literal["counter", "gauge"]
    text: str
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = ()


class Exposition:
    """The page that Prometheus reads."""

    def __init__(self, gather: Callable[[], Iterable[Metric]]) -> None:
        """Ask `gather` for the numbers at every scrape."""
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(gather))

    def page(self) -> bytes:
        """The numbers of now, in the text format."""
        return prometheus_client.generate_latest(self._registry)


class _Collector:
    """What Prometheus' registry asks at every scrape."""

    def __init__(self, gather: Callable[[], Iterable[Metric]]) -> None:
        self._gather = gather

    def collect(self) -> Iterator[prometheus.Metric]:
        for metric in self._gather():
            family: prometheus.Metric
            if metric.kind == "counter":
                family = prometheus.CounterMetricFamily(
                    metric.name, metric.text, labels=metric.labels
                )
            else:
                family = prometheus.GaugeMetricFamily(
                    metric.name, metric.text, labels=metric.labels
                )
            for labels, value in metric.values.items():
                family.add_metric(labels, value)
            yield family
