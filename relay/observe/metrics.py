"""`/metrics`: the readings in Prometheus' text format, made when somebody asks."""

import asyncio
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain, islice

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from relay import __version__
from relay.observe.endpoint_counts import CLASSES
from relay.observe.histogram import Histogram
from relay.observe.logs import lines_dropped
from relay.observe.metric_catalogue import METRICS
from relay.observe.readings import Readings, Waiting

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels, in the order of the catalogue, and the number."""

STATES = ("pending", "in_flight", "retrying", "held", "dead")
ACTIVE = "active"
OTHER = "other"


class Metrics:
    """Answers scrapes.

    Args:
        readings: What to read.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._registry = CollectorRegistry()
        self._registry.register(RelayCollector(readings))
        ProcessCollector(registry=self._registry)

    async def render(self) -> bytes:
        """Return all metrics; the loop turns between one and the next, since some have many samples."""
        await self._readings.look_at_backlog()
        parts = []
        for metric in self._registry.collect():
            parts.append(generate_latest(_Single(metric)))
            await asyncio.sleep(0)
        return b"".join(parts)


class RelayCollector(Collector):
    """Makes metrics of the readings.

    Args:
        readings: What to read.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the catalogue."""
        yield from self._of_deliveries()
        yield from self._of_backlog()
        yield from self._of_endpoints()
        yield from self._of_database()
        yield from self._of_process()

    def _of_deliveries(self) -> Iterator[Metric]:
        tally = self._readings.tally
        yield _metric("relay_attempts_total", _by_label(tally.attempts))
        yield _metric("relay_deliveries_total", _by_label(tally.deliveries))
        yield _histogram("relay_attempt_duration_seconds", tally.attempt_duration)
        yield _histogram("relay_delivery_latency_seconds", tally.delivery_latency)
        yield _histogram("relay_first_request_latency_seconds", tally.first_request_latency)
        yield _metric("relay_in_flight", [((), self._readings.in_flight())])
        yield _metric("relay_delivery_success_ratio", _by_label(tally.success_ratios()))

    def _of_backlog(self) -> Iterator[Metric]:
        backlog = self._readings.backlog()
        none = {} if backlog is None else dict.fromkeys(STATES, Waiting(deliveries=0, oldest_age=None))
        waiting = none | dict(backlog or {})
        ages = [((state,), each.oldest_age) for state, each in waiting.items()]
        yield _metric("relay_backlog", [((state,), each.deliveries) for state, each in waiting.items()])
        yield _metric(
            "relay_backlog_oldest_age_seconds", [(key, age) for key, age in ages if age is not None]
        )

    def _of_endpoints(self) -> Iterator[Metric]:
        readings, tally = self._readings, self._readings.tally
        tally.endpoints.forget(readings.is_endpoint)
        counts = [(str(endpoint_id), each) for endpoint_id, each in tally.endpoints.named().items()]
        attempts = [
            ((endpoint, name), count)
            for endpoint, each in [*counts, (OTHER, tally.endpoints.others())]
            for name, count in zip(CLASSES, each, strict=True)
            if count
        ]
        yield _metric("relay_endpoint_attempts_total", attempts)
        endpoints = list(readings.endpoints())
        stopped = [each for each in endpoints if each[1] != ACTIVE]
        active = (each for each in endpoints if each[1] == ACTIVE)
        shown = islice(chain(stopped, active), readings.max_endpoints)
        yield _metric(
            "relay_endpoint_state", [((str(endpoint_id), state), 1) for endpoint_id, state in shown]
        )
        states = Counter([state for _, state in endpoints])
        yield _metric("relay_endpoints", [((state,), count) for state, count in sorted(states.items())])

    def _of_database(self) -> Iterator[Metric]:
        readings = self._readings
        yield _histogram("relay_claim_duration_seconds", readings.claim_duration)
        yield _histogram("relay_record_duration_seconds", readings.record_duration)
        yield _metric("relay_database_up", [((), readings.is_database_up())])
        yield _metric("relay_notifications_total", [((), readings.notifications())])

    def _of_process(self) -> Iterator[Metric]:
        readings = self._readings
        yield _metric("relay_alert_active", _by_label(readings.alerts()))
        yield _metric("relay_active", [((), readings.is_active())])
        yield _metric("relay_loop_lag_seconds", [((), readings.loop_lag())])
        yield _metric("relay_log_lines_dropped_total", [((), lines_dropped())])
        yield _metric("relay_config_reload_success", [((), readings.has_reloaded())])
        yield _metric("relay_build_info", [((__version__, platform.python_version()), 1)])


def _by_label(numbers: Mapping[str, float]) -> Samples:
    return [((value,), number) for value, number in numbers.items()]


def _metric(name: str, samples: Samples) -> Metric:
    known = METRICS[name]
    family = CounterMetricFamily if known.kind == "counter" else GaugeMetricFamily
    metric = family(name, known.meaning, labels=tuple(known.labels))
    for labels, number in samples:
        metric.add_metric(labels, number)
    return metric


def _histogram(name: str, histogram: Histogram) -> Metric:
    metric = HistogramMetricFamily(name, METRICS[name].meaning, labels=())
    bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
    metric.add_metric((), list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.total)
    return metric


class _Single(Collector):
    """One metric, as the format's writer wants it."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)
