"""What Prometheus is shown: names by its rules, bounded labels, and numbers that are those of the store."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloud import jobs
from cloud.config import Broker, BundlePaths, Config
from cloud.config_usage import Metrics
from cloud.lanes import Lane
from cloud.metrics.collected import ProcessCollector, StoreCollector
from cloud.metrics.exposition import exposed, port_of
from cloud.metrics.meters import Ending, Meters
from cloud.schema import DeviceRow, JobRow
from cloud.serve import ServeError, listen
from cloud.store import Store, StoreError
from cloud.usage.budgets import Budgets
from cloud.usage.records import Refusal, refuse
from cloud.usage.sums import Amount, Gathering
from mirage.demo.broker import free_port
from tests.cloud.backlog import NOW_MS, file_packets
from tests.cloud.usage.reporting import far_day
from tests.cloud.waiting import until
from tests.prometheus import program

CONFIG = Config(broker=Broker("127.0.0.1"), bundle=BundlePaths(("tiny",)))

Sample = tuple[str, frozenset[tuple[str, str]]]


def shown(registry: CollectorRegistry) -> dict[Sample, float]:
    """Read what Prometheus would."""
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Mapping[Sample, float], name: str) -> dict[tuple[str, ...], float]:
    """Give the samples of a name, by the values of their labels in the order of these."""
    return {
        tuple(value for _, value in sorted(labels)): number
        for (each, labels), number in found.items()
        if each == name
    }


def registry_of(store: Store, metrics: Metrics = Metrics()) -> CollectorRegistry:  # noqa: B008 -- frozen
    registry = CollectorRegistry()
    config = replace(CONFIG, metrics=metrics)
    registry.register(StoreCollector(store, config, Budgets(store, config.usage)))
    return registry


def send(store: Store, *paths: str) -> None:
    with store.write() as session:
        gathering = Gathering()
        for path in paths:
            gathering.add(path, NOW_MS, Amount({"": [7, 3], "gate": [0, 10]}, {"received": 5}))
        gathering.write(session)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Give all that a process may show, after it has worked."""
    meters = Meters()
    meters.rendered(Ending.MADE, 0.4)
    meters.batch.observe(12)
    return meters.registry


def test_names_units_and_texts_are_as_prometheus_has_them(store: Store, registry: CollectorRegistry) -> None:
    send(store, "acme/north/a")
    config = CONFIG
    registry.register(StoreCollector(store, config, Budgets(store, config.usage)))
    process = ProcessCollector(store, lambda: {"stored": 3}, list, lambda: ["ingest"])
    registry.register(process)
    command = [program("promtool"), "check", "metrics"]
    text = generate_latest(registry)
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).decode().splitlines() if line.startswith("mirage_")]
    assert ours == []
    assert b"mirage_uplink_bytes_total" in text


def test_sites_are_told_apart_and_devices_are_not_unless_they_shall(store: Store) -> None:
    send(store, "acme/north/a", "acme/north/b", "acme/south/c")
    found = of(shown(registry_of(store)), "mirage_uplink_bytes_total")
    # camera, device, kind, layer, site, tenant
    assert found == {
        ("", "", "payload", "telemetry", "north", "acme"): 14,
        ("", "", "mqtt", "packet", "north", "acme"): 6,
        ("", "", "payload", "caption", "north", "acme"): 20,
        ("", "", "payload", "telemetry", "south", "acme"): 7,
        ("", "", "mqtt", "packet", "south", "acme"): 3,
        ("", "", "payload", "caption", "south", "acme"): 10,
    }
    found = of(shown(registry_of(store, Metrics(per_device=True))), "mirage_uplink_bytes_total")
    assert len(found) == 9
    assert found["gate", "b", "payload", "caption", "north", "acme"] == 10


def test_beyond_the_most_devices_others_share_a_name_and_no_byte_is_lost(store: Store) -> None:
    send(store, *(f"acme/north/device-{number:03}" for number in range(40)))
    metrics = Metrics(per_device=True, most_devices=5)
    found = of(shown(registry_of(store, metrics)), "mirage_uplink_bytes_total")
    assert len({labels[1] for labels in found}) == 6
    assert found["", "other", "payload", "caption", "north", "acme"] == 350
    assert sum(found.values()) == 40 * 20


def test_the_store_says_what_waits_who_is_there_and_what_was_refused(store: Store) -> None:
    packets = file_packets(store, 1, 2, 3)
    with store.write() as session:
        for packet, lane in zip(packets, (Lane.LIVE, Lane.BACKFILL, Lane.BACKFILL), strict=True):
            jobs.enqueue(session, packet, NOW_MS, lane=lane)
        session.get_one(JobRow, (packets[2], "")).state = "dead"
        session.add(DeviceRow(tenant="zeta", site="s", name="d", seen_ms=0))
        refuse(session, Refusal.FUTURE, 4)
    found = shown(registry_of(store))
    waiting = of(found, "mirage_jobs")
    assert (waiting["live", "queued"], waiting["backfill", "queued"]) == (1, 1)
    assert of(found, "mirage_jobs_dead") == {(): 1}
    assert of(found, "mirage_job_oldest_timestamp_seconds")["live",] == NOW_MS / 1000
    assert of(found, "mirage_devices")["unknown", "zeta"] == 1
    assert of(found, "mirage_usage_refused_records_total") == {("future",): 4}
    assert of(found, "mirage_store_up") == {(): 1}


def test_budgets_are_shown_as_ratios(store: Store) -> None:
    from cloud.clock import wall_ms

    with store.write() as session:
        gathering = Gathering()
        gathering.add("acme/north/a", wall_ms(), Amount({"gate": [30]}))
        gathering.write(session)
    budgets = Budgets(store, CONFIG.usage)
    for place, size in (("", 120), ("acme/north", 40), ("fleet", 10)):
        budgets.set(place, size, far_day())
    found = shown(registry_of(store))
    assert of(found, "mirage_budget_used_ratio") == {("*",): 0.25, ("acme/north",): 0.75, ("fleet",): 0.0}
    assert of(found, "mirage_budget_bytes") == {("*",): 120, ("acme/north",): 40, ("fleet",): 10}


def test_a_store_that_does_not_answer_is_shown_as_such(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def gone() -> Iterator[None]:
        raise StoreError("store x: gone")
        yield

    registry = registry_of(store)
    monkeypatch.setattr(store, "read", gone)
    assert shown(registry) == {("mirage_store_up", frozenset()): 0}


def test_the_process_says_which_of_its_tasks_are_down(store: Store) -> None:
    registry = CollectorRegistry()
    messages = {"stored": 5, "duplicate": 1}
    registry.register(ProcessCollector(store, lambda: messages, lambda: ["live"], lambda: ["ingest", "live"]))
    found = shown(registry)
    assert of(found, "mirage_task_up") == {("ingest",): 1, ("live",): 0}
    assert of(found, "mirage_ingest_messages_total") == {("stored",): 5, ("duplicate",): 1}
    with pytest.raises(StoreError), store.write() as session:
        session.add_all(DeviceRow(tenant="a", site="b", name="c", seen_ms=0) for _ in range(2))
    assert of(shown(registry), "mirage_store_errors_total") == {("content",): 1, ("database",): 0}


def test_prometheus_reads_it_over_http_and_the_port_is_free_again(registry: CollectorRegistry) -> None:
    port = free_port()
    before = set(threading.enumerate())
    for _ in range(2):
        with exposed("127.0.0.1", port, registry) as address:
            answer = httpx.get(address, timeout=60)
        assert answer.status_code == 200
        assert 'mirage_render_seconds_count{ending="made"} 1.0' in answer.text
    until(lambda: set(threading.enumerate()) <= before)  # whoever answered ends a moment later


def test_a_port_that_is_taken_is_named(registry: CollectorRegistry) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServeError, match=f"metrics: 127.0.0.1:{port}"),
            exposed("127.0.0.1", port, registry),
        ):
            pass


@pytest.mark.parametrize(
    ("roles", "port"),
    [
        ({"ingest", "render", "serve"}, 9464),
        ({"ingest", "render", "serve", "enrol"}, 9464),
        ({"derive"}, 9465),
        ({"render"}, 9466),
        ({"serve"}, 9467),
        ({"broker-sync"}, 9468),
        ({"enrol"}, None),
    ],
)
def test_processes_of_one_role_share_a_settings_file(roles: set[str], port: int | None) -> None:
    assert port_of(Metrics(port=9464), frozenset(roles)) == port
    assert port_of(Metrics(), frozenset(roles)) is None
