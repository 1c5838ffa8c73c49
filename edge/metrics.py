"""Prometheus, on the device: what the ledger, the spool and the encoders say, asked for by HTTP.

    GET http://127.0.0.1:PORT/metrics --> Collector --> ledger, spool, encode times, uplink, budget, sensors

Off unless `[metrics] port` is set. There is no login: bind to what may know it. Labels are bounded: cameras
are those of the settings, and all others together "other".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edge.allowance import Limits
from edge.ledger import Ledger
from edge.links import Links
from edge.sensors import Readings
from edge.stock import Backlog
from edge.times import BOUNDS_S, EncodeTimes
from wire.spent import OTHER
from wire.topics import DeviceTopics

_UPLINK_LABELS = ("tenant", "site", "device", "camera", "layer", "kind")


class MetricsError(OSError):
    """The port cannot be listened on; the message names it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from. `month` gives limits and what was spent this month."""

    topics: DeviceTopics
    cameras: frozenset[str]
    ledger: Ledger
    times: EncodeTimes
    backlog: Callable[[], Backlog]
    oldest_s: Callable[[], float]
    dropped_segments: Callable[[], int]
    is_connected: Callable[[], bool]
    attempts: Callable[[], int]
    month: Callable[[], tuple[Limits, int]]
    read: Callable[[], Readings]
    links: Links = field(default_factory=Links)


class DeviceCollector(Collector):
    """Asks all of them anew at each scrape, in the thread of whoever scrapes."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Give the present numbers."""
        yield self._uplink_bytes()
        yield from self._spool()
        yield self._encode_seconds()
        yield from self._uplink()
        yield from self._budget()
        yield from self._sensors()

    def _uplink_bytes(self) -> Metric:
        family = CounterMetricFamily(
            "mirage_uplink_bytes", "Bytes sent since the ledger began; of kind transport by estimate.",
            labels=_UPLINK_LABELS,
        )  # fmt: skip
        topics, sizes = self._sources.topics, dict[tuple[str, str, str], int]()
        for (camera, layer, kind), size in self._sources.ledger.totals().items():
            name = "" if camera is None else camera if camera in self._sources.cameras else OTHER
            sizes[name, layer, kind] = sizes.get((name, layer, kind), 0) + size
        for labels, size in sorted(sizes.items()):
            family.add_metric((topics.tenant, topics.site, topics.device, *labels), size)
        return family

    def _spool(self) -> Iterator[Metric]:
        backlog = self._sources.backlog()
        yield _gauge(
            "mirage_spool_packets", "Packets and gap records that wait for the cloud.", backlog.waiting
        )
        yield _gauge("mirage_spool_bytes", "Bytes of the packets that wait.", backlog.body_bytes)
        yield _gauge(
            "mirage_spool_oldest_seconds", "How long the oldest packet waits.", self._sources.oldest_s()
        )
        yield _counter("mirage_spool_dropped_packets", "Packets that the spool gave up.", backlog.dropped)
        yield _counter(
            "mirage_spool_shed_details",
            "Packets that lost their detail layer for room.",
            backlog.shed_details,
        )
        yield _counter(
            "mirage_segments_dropped", "Segments that were not described: the encoders were too slow.",
            self._sources.dropped_segments(),
        )  # fmt: skip

    def _encode_seconds(self) -> Metric:
        histogram = self._sources.times.histogram()
        bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
        family = HistogramMetricFamily(
            "mirage_segment_encode_seconds", "Time that a segment took to describe."
        )
        family.add_metric((), buckets, histogram.sum_s)
        return family

    def _uplink(self) -> Iterator[Metric]:
        connected = self._sources.is_connected()
        yield _gauge("mirage_uplink_connected", "Whether there is a connection to the broker.", connected)
        yield _counter("mirage_uplink_attempts", "Attempts to connect.", self._sources.attempts())
        links = self._sources.links
        if links.any:
            names = {"link": links.active, "interface": links.interface}
            yield InfoMetricFamily("mirage_uplink_link", "The link that is active.", value=names)

    def _budget(self) -> Iterator[Metric]:
        limits, spent = self._sources.month()
        if limits.bytes_per_s is not None:
            yield _gauge(
                "mirage_budget_bytes_per_second", "Limit of the uplink, by the second.", limits.bytes_per_s
            )
        if limits.bytes_per_month is not None:
            cap = limits.bytes_per_month
            yield _gauge("mirage_budget_month_limit_bytes", "Cap of the uplink, by the month.", cap)
            yield _gauge("mirage_budget_month_spent_bytes", "What of it was spent this month.", spent)

    def _sensors(self) -> Iterator[Metric]:
        seen = self._sources.read()
        if seen.temperature_c is not None:
            yield _gauge("mirage_temperature_celsius", "Hottest part of the machine.", seen.temperature_c)
        if seen.power_w is not None:
            yield _gauge("mirage_power_watts", "Power that the board takes.", seen.power_w)


@contextmanager
def exposed(host: str, port: int, collector: Collector) -> Iterator[int]:
    """Serve a collector while the body runs, and give the port (a free one for 0). Raises MetricsError."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise MetricsError(f"metrics.port: {host}:{port}: {error.strerror or error}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=float(value))
