"""What Prometheus is told of the broker's list of revocations: the file itself, read at each scrape.

A list that is over keeps everybody out of the broker, and nobody there says so before.
"""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cloud.identity.broker_lists import validity_of


class RevocationsCollector(Collector):
    """Says when the list was made and when it is over: both 0 where there is none that can be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterator[Metric]:
        """Give the times of the list as it is now."""
        try:
            found = validity_of(self._path.read_bytes())
        except OSError:
            found = None
        made = GaugeMetricFamily(
            "mirage_broker_crl_made_timestamp_seconds",
            "When the broker's list of revocations was made; 0 without one.",
        )
        made.add_metric([], 0 if found is None else found.since.timestamp())
        ends = GaugeMetricFamily(
            "mirage_broker_crl_next_update_timestamp_seconds",
            "When it is over, and the broker lets nobody in; 0 without one.",
        )
        ends.add_metric([], 0 if found is None else found.until.timestamp())
        yield from (made, ends)
