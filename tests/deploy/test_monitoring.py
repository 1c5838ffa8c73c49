"""deploy/monitoring: settings and rules by promtool, dashboards by schema and on a real Prometheus.

That one scrapes the real cloud and a real device's numbers, and is asked every query of the dashboards.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from edge.allowance import Limits
from edge.ledger import Ledger
from edge.metrics import DeviceCollector, Sources, exposed
from edge.sensors import Readings
from edge.stock import Backlog
from edge.times import EncodeTimes
from mirage.demo.broker import LoopbackBroker, free_port
from tests.bundles import write_bundle
from tests.cloud.peer import connected
from tests.cloud.sample import Device
from tests.cloud.usage.reporting import camera, far_day, minute, own, remark
from tests.cloud.waiting import until
from tests.prometheus import Prometheus, program, prometheus, promtool
from wire import documents, telemetry
from wire.bundle import Bundle
from wire.spent import Codec, Sample
from wire.telemetry import Telemetry
from wire.topics import DeviceTopics

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
SCHEMA = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text("utf-8"))
PLACES = {"tenant": "acme", "site": "north", "device": "jetson-1"}
# Of what did not happen there is no series: no clip was made, no job waits, nobody looked.
MAY_BE_EMPTY = (
    "mirage_render_seconds",
    "mirage_job_oldest_timestamp_seconds",
    "mirage_budget_forecast_ratio",
)


def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in DASHBOARDS]


def queries(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def filled(expression: str, instance: str = "") -> str:
    """Put in what Grafana would."""
    values = PLACES | {"instance": instance, "__rate_interval": "20s", "__range": "1m"}
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], expression)


def test_settings_and_rules_are_understood() -> None:
    promtool("check", "config", "--lint-fatal", "prometheus.yml", folder=MONITORING)
    said = promtool("check", "rules", "--lint-fatal", "mirage.rules.yml", folder=MONITORING)
    assert "SUCCESS" in said


def test_alerts_are_raised_when_they_are_to_be_and_not_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", "mirage.rules.test.yml", folder=MONITORING)


def test_every_alert_has_a_test() -> None:
    rules = yaml.safe_load((MONITORING / "mirage.rules.yml").read_text("utf-8"))
    tested = (MONITORING / "mirage.rules.test.yml").read_text("utf-8")
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert [name for name in alerts if f"alertname: {name}\n" not in tested] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_are_as_grafana_reads_them(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    jsonschema.validate(board, SCHEMA)
    assert board["uid"] == f"mirage-{path.stem}"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    known = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval", "__range"}
    for expression in queries(board):
        assert set(re.findall(r"\$(\w+)", expression)) <= known, expression


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    taken = set[tuple[int, int]]()
    for panel in json.loads(path.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@contextmanager
def cloud(folder: Path, broker_port: int) -> Iterator[tuple[int, int]]:
    """Run `mirage cloud run` as it is installed; give the ports of its metrics and of its API."""
    metrics, api = free_port(), free_port()
    config = folder / "cloud.toml"
    bundle = write_bundle(folder / "bundle")
    config.write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {broker_port}\nenvelope = "none"\nack_interval_s = 0.2\n'
        f'[bundle]\npaths = ["{bundle}"]\n[serve]\nport = {api}\n[store]\nurl = "sqlite:///store.db"\n'
        f"[metrics]\nport = {metrics}\nper_device = true\n"
    )
    command = [sys.executable, "-m", "mirage", "cloud", "run", "--config", str(config)]
    with (folder / "cloud.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield metrics, api
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def edge() -> Iterator[int]:
    """Show a device's numbers, as its agent does."""
    ledger, times = Ledger(), EncodeTimes()
    ledger.add("gate", "caption", "payload", 120)
    ledger.add(None, "packet", "mqtt", 40)
    times.add(0.3)
    sources = Sources(
        topics=DeviceTopics(**PLACES), cameras=frozenset({"gate"}), ledger=ledger, times=times,
        backlog=lambda: Backlog(packets=3, body_bytes=900), oldest_s=lambda: 4.0, dropped_segments=lambda: 1,
        is_connected=lambda: True, attempts=lambda: 2, month=lambda: (Limits(100.0, 16384, 10_000), 5_000),
        read=lambda: Readings(41.5, 7.2),
    )  # fmt: skip
    with exposed("127.0.0.1", 0, DeviceCollector(sources)) as port:
        yield port


def settings(folder: Path, cloud_port: int, edge_port: int) -> Path:
    """Take the shipped settings, with our ports, and scrape once a second."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    of_cloud, of_edge = config["scrape_configs"]
    of_cloud["static_configs"] = [{"targets": [f"127.0.0.1:{cloud_port}"]}]
    of_edge["scrape_interval"] = "1s"
    (folder / "mirage-edge").mkdir()
    (folder / "mirage-edge" / "devices.json").write_text(
        json.dumps([{"targets": [f"127.0.0.1:{edge_port}"]}])
    )
    (folder / "mirage.rules.yml").write_bytes((MONITORING / "mirage.rules.yml").read_bytes())
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return folder / "prometheus.yml"


def speak(port: int, bundle: Bundle) -> None:
    """Be a device: a birth of some minutes ago, packets, minutes, samples, and a minute of the future."""
    device = Device(bundle)
    boot_ms = time.time_ns() // 1_000_000 - 600_000
    ready = documents.encode(documents.State("ready", device.boot_hex))
    samples = [Sample(0, codec, 9, 18_000, 900_000, 5_000, 28, 5) for codec in Codec]

    def say(*records: Telemetry) -> None:
        frame = device.envelope.wrap(telemetry.write(records), device.topics.telemetry)
        peer.publish(device.topics.telemetry, frame)

    with connected(port, "device") as peer:
        peer.publish(device.topics.birth, device.birth(boot_ms), retain=True)
        peer.publish(device.topics.state, ready, retain=True)
        for _ in range(3):
            peer.publish(device.topics.sem("gate"), device.frame(device.packet()))
        say(remark(10, *samples))
        say(minute(60, own(40, 20, 60)), minute(120, camera(0, 12, 9, 4, 200, 30, 60, 80, 5)))
        say(minute(9_000, own(1)))


@pytest.mark.slow
def test_every_query_of_the_dashboards_runs_and_finds_what_there_is(tmp_path: Path) -> None:
    program("prometheus")
    broker = LoopbackBroker(tmp_path)
    broker.start()
    try:
        with cloud(tmp_path, broker.port) as (metrics, api), edge() as device:
            http = httpx.Client(base_url=f"http://127.0.0.1:{api}", timeout=60)
            until(lambda: healthy(http), 60)
            speak(broker.port, Bundle.load(tmp_path / "bundle", "cloud"))
            budget = {"place": "acme/north", "bytes_per_month": 1000, "billing_day": far_day()}
            assert http.put("/api/v1/budgets", json=budget).status_code == 200
            with prometheus(settings(tmp_path, metrics, device)) as running:
                until(
                    lambda: bool(running.query('rate(mirage_uplink_bytes_total{device="jetson-1"}[20s])')), 90
                )
                until(lambda: bool(running.query("mirage:uplink_bytes:rate10m")), 60)
                until(lambda: bool(running.query("mirage_budget_used_ratio > 0.4")), 60)
                check(running, f"127.0.0.1:{device}")
            http.close()
    finally:
        broker.stop()


def healthy(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def check(running: Prometheus, device: str) -> None:
    """Ask all that dashboards ask, and what rules do."""
    asked = [expression for board in boards() for expression in queries(board)]
    assert len(asked) > 50
    empty = [each for each in asked if not running.query(filled(each, device))]
    assert [each for each in empty if not any(name in each for name in MAY_BE_EMPTY)] == []
    rules = yaml.safe_load((MONITORING / "mirage.rules.yml").read_text("utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        running.query(rule["expr"])
    (sent,) = running.query('sum(mirage_uplink_bytes_total{job="mirage-cloud"})')
    assert sent["value"][1] == "520"  # type: ignore[index]
    (refused,) = running.query("mirage_usage_refused_records_total")
    assert refused["metric"]["reason"] == "future"  # type: ignore[index]
