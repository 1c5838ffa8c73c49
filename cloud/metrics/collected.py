"""What Prometheus is told that is not counted as it happens: the store, asked at most every FRESH_S.

    of the process     messages by outcome, errors of the store, tasks that are down
    of the store       queue, devices, events, uplink bytes, budgets: the same from each process that has the
                       role serve, so `max without (instance)` over several

Labels are bounded: tenants, sites, layers and kinds; devices and cameras only as far as the settings say.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.config import Config
from cloud.lanes import Lane
from cloud.metrics.uplink import uplink
from cloud.schema import BootRow, DeviceRow, JobRow, OutboxRow, TallyRow, TelemetryRow
from cloud.store import Store, StoreError
from cloud.usage.budgets import Budgets
from cloud.usage.records import PREFIX

FRESH_S = 10.0
MOST_BUDGETS = 1000
WHOLE_FLEET = "*"  # no tenant can be called so

log = structlog.get_logger()


class ProcessCollector(Collector):
    """Says how this process is. `messages` counts what was ingested, by outcome; `down` names tasks."""

    def __init__(
        self,
        store: Store,
        messages: Callable[[], Mapping[str, int]],
        down: Callable[[], Iterable[str]],
        tasks: Callable[[], Iterable[str]],
    ) -> None:
        self._store = store
        self._messages = messages
        self._down = down
        self._tasks = tasks

    def collect(self) -> Iterator[Metric]:
        """Give the present numbers."""
        messages = CounterMetricFamily(
            "mirage_ingest_messages", "Messages from the broker, by what became of them.", labels=["outcome"]
        )
        for outcome, count in self._messages().items():
            messages.add_metric([outcome], count)
        errors = CounterMetricFamily(
            "mirage_store_errors", "Errors of the database, by whether it or the content was to blame.",
            labels=["kind"],
        )  # fmt: skip
        for kind, count in self._store.errors.items():
            errors.add_metric([kind], count)
        up = GaugeMetricFamily("mirage_task_up", "Whether a task of this process runs.", labels=["task"])
        down = set(self._down())
        for task in self._tasks():
            up.add_metric([task], 0 if task in down else 1)
        yield from (messages, errors, up)


class StoreCollector(Collector):
    """Says what the store has. One that does not answer leaves `mirage_store_up` at 0, and no more."""

    def __init__(self, store: Store, config: Config, budgets: Budgets) -> None:
        self._store = store
        self._config = config
        self._budgets = budgets
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._metrics: list[Metric] = []

    def collect(self) -> list[Metric]:
        """Give what was found within the last FRESH_S."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._asked_s >= FRESH_S:
                self._metrics = self._ask()
                self._asked_s = now_s
            return self._metrics

    def describe(self) -> list[Metric]:
        """Ask nothing while it is registered."""
        return []

    def _ask(self) -> list[Metric]:
        up = GaugeMetricFamily("mirage_store_up", "Whether the database answers.")
        try:
            with self._store.read() as session:
                found = list(chain(_jobs(session), _fleet(session), _told(session), _refused(session)))
                found += uplink(session, self._config.metrics)
            found += self._budget()
        except StoreError as error:
            log.warning("metrics: the store does not answer", error=str(error))
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *found]

    def _budget(self) -> list[Metric]:
        limit = GaugeMetricFamily(
            "mirage_budget_bytes", "Bytes that a place may send a month.", labels=["place"]
        )
        used = GaugeMetricFamily(
            "mirage_budget_used_ratio", "Part of a budget that is used, 1 is all of it.", labels=["place"]
        )
        ahead = GaugeMetricFamily(
            "mirage_budget_forecast_ratio", "Part of a budget that will be used by the end of its month.",
            labels=["place"],
        )  # fmt: skip
        for now in self._budgets.now()[:MOST_BUDGETS]:
            place = now.place or WHOLE_FLEET
            limit.add_metric([place], now.bytes_per_month)
            used.add_metric([place], now.share)
            if now.forecast is not None:
                ahead.add_metric([place], now.forecast.expected / now.bytes_per_month)
        return [limit, used, ahead]


def _jobs(session: Session) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(
        "mirage_jobs", "Clips that are to be made, by lane and state.", labels=["lane", "state"]
    )
    waits = GaugeMetricFamily(
        "mirage_job_oldest_timestamp_seconds", "When the job was asked for that has waited longest.",
        labels=["lane"],
    )  # fmt: skip
    states = ("queued", "running")
    query = select(JobRow.lane, JobRow.state, func.count(), func.min(JobRow.asked_ms))
    rows = session.execute(query.where(JobRow.state.in_(states)).group_by(JobRow.lane, JobRow.state)).all()
    found = {(lane, state): count for lane, state, count, _ in rows}
    for lane in Lane:
        for state in states:
            jobs.add_metric([lane.name.lower(), state], found.get((int(lane), state), 0))
    for number, state, _, asked_ms in rows:
        if state == "queued":
            waits.add_metric([Lane(number).name.lower()], asked_ms / 1000)
    dead = GaugeMetricFamily("mirage_jobs_dead", "Clips that could not be made, and are given up.")
    dead.add_metric([], session.scalar(select(func.count()).where(JobRow.state == "dead")) or 0)
    yield from (jobs, waits, dead)


def _fleet(session: Session) -> Iterator[Metric]:
    devices = GaugeMetricFamily("mirage_devices", "Devices by state.", labels=["tenant", "state"])
    query = (
        select(DeviceRow.tenant, func.coalesce(BootRow.state, "unknown"), func.count())
        .outerjoin(BootRow, (BootRow.device_id == DeviceRow.id) & (BootRow.boot_hex == DeviceRow.boot_hex))
        .group_by(DeviceRow.tenant, func.coalesce(BootRow.state, "unknown"))
    )
    for tenant, state, count in session.execute(query):
        devices.add_metric([tenant, state], count)
    spool = GaugeMetricFamily("mirage_fleet_spool_bytes", "Bytes that wait on devices.", labels=["tenant"])
    oldest = GaugeMetricFamily(
        "mirage_fleet_spool_oldest_seconds", "Age of the oldest packet that waits on any device.",
        labels=["tenant"],
    )  # fmt: skip
    waiting = (
        select(DeviceRow.tenant, func.sum(TelemetryRow.spool_bytes), func.max(TelemetryRow.spool_age_s))
        .join(TelemetryRow, TelemetryRow.device_id == DeviceRow.id)
        .group_by(DeviceRow.tenant)
    )
    for tenant, size, age_s in session.execute(waiting):
        spool.add_metric([tenant], float(size))
        oldest.add_metric([tenant], float(age_s))
    yield from (devices, spool, oldest)


def _told(session: Session) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("mirage_events_waiting", "Events that the broker has not acknowledged.")
    waiting.add_metric([], session.scalar(select(func.count()).select_from(OutboxRow)) or 0)
    yield waiting


def _refused(session: Session) -> Iterator[Metric]:
    refused = CounterMetricFamily(
        "mirage_usage_refused_records", "Records of telemetry that were not believed.", labels=["reason"]
    )
    for row in session.scalars(select(TallyRow).where(TallyRow.name.startswith(PREFIX))):
        refused.add_metric([row.name.removeprefix(PREFIX)], row.count)
    yield refused
