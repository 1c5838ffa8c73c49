"""/metrics on the device: names, labels, and that it is Prometheus's format."""

import contextlib
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge import agent
from edge.allowance import Limits
from edge.ledger import Ledger
from edge.metrics import DeviceCollector, MetricsError, Sources, exposed
from edge.sensors import Readings
from edge.stock import Backlog
from edge.times import EncodeTimes
from edge.uplink import UplinkError
from mirage.demo.broker import LoopbackBroker, free_port
from tests.edge.cloud import TOPICS, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.settings import config_of

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
PLACE = {"tenant": "acme", "site": "plant", "device": "jetson-1"}


def sources(ledger: Ledger, limits: Limits | None = None, seen: Readings | None = None) -> Sources:
    times = EncodeTimes()
    times.add(0.07)
    times.add(30.0)
    return Sources(
        TOPICS, frozenset({"door"}), ledger, times, lambda: Backlog(packets=3, body_bytes=300, dropped=2),
        lambda: 12.5, lambda: 4, lambda: True, lambda: 7, lambda: (limits or Limits(), 900),
        lambda: seen or Readings(None, None),
    )  # fmt: skip


@contextlib.contextmanager
def scraped(read: Sources) -> Iterator[str]:
    with exposed("127.0.0.1", 0, DeviceCollector(read)) as port:
        yield page(port)


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return str(answer.read(), "utf-8")


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            found[each.name, tuple(sorted(each.labels.items()))] = each.value
    return found


def uplink(**labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return "mirage_uplink_bytes_total", tuple(sorted((PLACE | labels).items()))


def filled() -> Ledger:
    ledger = Ledger()
    ledger.add("door", "caption", "payload", 120)
    ledger.add("door", "packet", "transport", 520)
    ledger.add(None, "telemetry", "payload", 60)
    ledger.add("gone", "caption", "payload", 7)
    ledger.add("long-gone", "caption", "payload", 5)
    return ledger


def test_bytes_are_told_by_camera_layer_and_kind_and_cameras_are_those_of_the_settings() -> None:
    with scraped(sources(filled())) as text:
        found = samples(text)
    assert found[uplink(camera="door", layer="caption", kind="payload")] == 120
    assert found[uplink(camera="door", layer="packet", kind="transport")] == 520
    assert found[uplink(camera="", layer="telemetry", kind="payload")] == 60
    assert found[uplink(camera="other", layer="caption", kind="payload")] == 12


def test_spool_uplink_and_encode_times_are_told() -> None:
    with scraped(sources(filled())) as text:
        found = samples(text)
    assert (found["mirage_spool_packets", ()], found["mirage_spool_bytes", ()]) == (3, 300)
    assert found["mirage_spool_oldest_seconds", ()] == 12.5
    assert (found["mirage_uplink_connected", ()], found["mirage_uplink_attempts_total", ()]) == (1, 7)
    bucket = "mirage_segment_encode_seconds_bucket"
    assert [found[bucket, (("le", le),)] for le in ("0.05", "0.1", "10.0", "+Inf")] == [0, 1, 1, 2]
    assert found["mirage_segment_encode_seconds_sum", ()] == pytest.approx(30.07)
    assert not any(name.startswith(("mirage_budget", "mirage_power")) for name, _ in found)


def test_budget_and_sensors_are_told_where_there_are_any() -> None:
    limits = Limits(62.5, 16384, 50_000_000)
    with scraped(sources(filled(), limits, Readings(61.8, 9.4))) as text:
        found = samples(text)
    assert found["mirage_budget_bytes_per_second", ()] == 62.5
    assert found["mirage_budget_month_limit_bytes", ()] == 50_000_000
    assert found["mirage_budget_month_spent_bytes", ()] == 900
    assert (found["mirage_temperature_celsius", ()], found["mirage_power_watts", ()]) == (61.8, 9.4)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Debian's prometheus")
def test_promtool_finds_nothing_to_say() -> None:
    with scraped(sources(filled(), Limits(62.5, 16384, 50_000_000), Readings(61.8, 9.4))) as text:
        judged = subprocess.run(
            ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
        )
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


def test_a_port_that_is_taken_is_named() -> None:
    collector = DeviceCollector(sources(filled()))
    with (
        exposed("127.0.0.1", 0, collector) as port,
        pytest.raises(MetricsError, match=f"metrics.port: 127.0.0.1:{port}: "),
        exposed("127.0.0.1", port, collector),
    ):
        pass


def test_an_agent_shows_what_it_sends(tmp_path: Path, tiny: Path, broker: LoopbackBroker) -> None:
    film = write_film(
        tmp_path / "film.mp4", panned(texture(1), (320, 180), [(3 * at, at) for at in range(100)])
    )
    port = free_port()
    config = config_of(tmp_path, broker.port, tiny, {"door": str(film)}, f"[metrics]\nport = {port}")
    texts, caption = list[str](), uplink(camera="door", layer="caption", kind="payload")

    def look() -> None:
        """Read until a packet was sent, while the agent waits for an ack."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: caption in samples(page_or_nothing(port, texts)))

    watcher = Thread(target=look)
    watcher.start()
    with contextlib.suppress(UplinkError):  # nobody acknowledges
        agent.run(config, Event(), drain_timeout_s=6.0)
    watcher.join()
    found = samples(texts[-1])
    assert found[caption] > 0
    assert found[uplink(camera="", layer="birth", kind="payload")] > 200
    with pytest.raises(OSError, match="refused"):
        page(port)


def page_or_nothing(port: int, texts: list[str]) -> str:
    try:
        texts.append(page(port))
    except OSError:
        return ""
    return texts[-1]
