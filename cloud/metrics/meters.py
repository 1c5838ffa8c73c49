"""What one process of the cloud measures while it works; Prometheus reads it (docs/usage.md names all).

Each process has a registry of its own, so that nothing is shared by accident and tests see only theirs.
"""

from enum import Enum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # messages; 512 is the most (cloud/ingest.py)
_COMMITS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_RENDERS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_LATENCIES_S = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 60.0)


class Ending(Enum):
    """How a worker left a job."""

    MADE = "made"
    FAILED = "failed"
    GIVEN_UP = "given-up"  # cancelled, not yet, or another's by now


class Meters:
    """Counters and histograms of a process, and the registry that Prometheus is shown."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.batch = Histogram(
            "mirage_ingest_batch_messages", "Messages that were stored in one transaction.",
            buckets=_BATCHES, registry=self.registry,
        )  # fmt: skip
        self.commit = Histogram(
            "mirage_ingest_commit_seconds", "Time to open, check and store one batch, commit included.",
            buckets=_COMMITS_S, registry=self.registry,
        )  # fmt: skip
        self.retries = Counter(
            "mirage_ingest_retries", "Batches that the store did not take at the first try.",
            registry=self.registry,
        )  # fmt: skip
        self._render = Histogram(
            "mirage_render_seconds", "Time from taking a job to its clip, or to its failure.", ["ending"],
            buckets=_RENDERS_S, registry=self.registry,
        )  # fmt: skip
        self.live = Histogram(
            "mirage_live_latency_seconds", "Time from storing a segment to showing it in a live view.",
            buckets=_LATENCIES_S, registry=self.registry,
        )  # fmt: skip

    def rendered(self, ending: Ending, seconds: float) -> None:
        """Count one job that a worker took."""
        self._render.labels(ending.value).observe(seconds)
