"""The agent as its settings mean it: sealed, over TLS, obeying its cloud; and what it says of itself."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge import agent
from edge.composer import Composer
from edge.config import Config, ConfigError
from edge.pipeline import Described, Pipeline
from edge.segmenter import RawSegment
from edge.tls import Tls
from mirage.demo.broker import LoopbackBroker, free_port
from tests.edge.cloud import HOUR_MS, TOPICS, Cloud, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.livecam import LiveCamera
from tests.edge.sealing import Secrets
from tests.edge.settings import config_of, write_config
from tests.edge.test_agent import ROOT, running
from tests.edge.test_link import config_of as mutual
from tests.mosquitto import mosquitto
from tests.pki import Pki
from wire import gap
from wire.gap import GapReason
from wire.packet import Layer, Packet
from wire.telemetry import Alarm

SEALED = ""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four seconds of a camera that pans."""
    return write_film(
        tmp_path / "film.mp4", panned(texture(0), (320, 180), [(3 * at, at) for at in range(100)])
    )


@pytest.fixture
def stream(tmp_path: Path) -> bytes:
    """Five seconds of a network camera."""
    pictures = panned(texture(0), (320, 180), [(2 * at, at) for at in range(125)])
    return write_film(tmp_path / "stream.ts", pictures).read_bytes()


@pytest.fixture
def cloud(broker: LoopbackBroker, secrets: Secrets) -> Iterator[Cloud]:
    subscriber = Cloud(broker.port, secrets=secrets)
    yield subscriber
    subscriber.close()


def sealed_config(
    folder: Path, port: int, tiny: Path, source: Path | str, secrets: Secrets, broker: str = SEALED
) -> Config:
    secrets.write(folder)
    return config_of(folder, port, tiny, {"door": str(source)}, broker=broker)


def test_a_film_arrives_sealed(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path, secrets: Secrets
) -> None:
    config = sealed_config(tmp_path, broker.port, tiny, film, secrets)
    with capture_logs() as logs:
        summary = agent.run(config, threading.Event())
    assert (summary.packets, summary.pending_packets) == (2, 0)
    assert cloud.sequences(cloud.births[0].boot_id) == [0, 1]
    assert cloud.records[0].spool_packets <= 2
    assert [line for line in logs if line["log_level"] == "warning"] == []


def test_a_film_arrives_over_mutual_tls(tmp_path: Path, tiny: Path, film: Path) -> None:
    pki = Pki(tmp_path / "pki")
    own, other = pki.device(TOPICS), pki.client("cloud.test")
    secrets = Secrets(own.private_key)
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto(folder, mutual(pki.folder)) as broker:
        tls = Tls(str(pki.ca), str(other.certificate), str(other.key))
        cloud = Cloud(broker.port, secrets=secrets, tls=tls)
        config = sealed_config(tmp_path, broker.port, tiny, film, secrets, 'ca = "pki/ca.pem"')
        (tmp_path / "device.pem").write_bytes(own.certificate.read_bytes())
        summary = agent.run(config, threading.Event())
        cloud.close()
    assert (summary.packets, summary.pending_packets) == (2, 0)
    assert cloud.sequences(cloud.births[0].boot_id) == [0, 1]


def test_without_sealing_the_agent_says_so_at_every_start(tmp_path: Path, film: Path) -> None:
    config = config_of(tmp_path, free_port(), tmp_path, {"door": str(film)})
    for _ in range(2):
        with capture_logs() as logs, pytest.raises(Exception, match=r"bundle\.toml"):
            agent.run(config, threading.Event())
        warnings = [line["event"] for line in logs if line["log_level"] == "warning"]
        assert warnings == [
            "broker.envelope is none: packets are not sealed, whoever reads the broker reads them"
        ]


def test_without_its_keys_a_sealed_agent_does_not_start(tmp_path: Path, tiny: Path, film: Path) -> None:
    config = config_of(tmp_path, free_port(), tiny, {"door": str(film)}, broker=SEALED)
    with pytest.raises(ConfigError, match=r"device\.key: .*device\.key: No such file"):
        agent.run(config, threading.Event())
    assert not Path(config.spool.path).exists()


def test_the_cloud_asks_a_running_agent_for_things(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, stream: bytes, secrets: Secrets
) -> None:
    plugged = LiveCamera(stream)
    config = sealed_config(tmp_path, broker.port, tiny, plugged.url, secrets)
    with capture_logs(), running(config):
        wait_for(lambda: cloud.deliveries >= 1, timeout_s=60)
        boot = cloud.births[-1].boot_id
        cloud.command("ping", "p")
        assert cloud.reply("p").result["boot_id"] == boot
        cloud.command("set-policy", "s", planes=0)
        assert cloud.reply("s").result["planes"] == 0
        wait_for(lambda: is_poor(cloud), timeout_s=60)
        wait_for(lambda: not latest(cloud).refresh, timeout_s=60)
        seen = cloud.deliveries
        cloud.command("keyframe", "k", camera="door")
        assert cloud.reply("k").ok
        wait_for(lambda: any(each.refresh for each in list(cloud.packets.values())[seen:]), timeout_s=60)
        cloud.command("set-bundle", "b")
        assert not cloud.reply("b").ok
    plugged.unplug()


def latest(cloud: Cloud) -> Packet:
    return list(cloud.packets.values())[-1]


def is_poor(cloud: Cloud) -> bool:
    return Layer.APPEARANCE_TOKENS not in latest(cloud).layers


def test_segments_that_find_no_room_are_listed_as_given_up(
    tmp_path: Path,
    tiny: Path,
    broker: LoopbackBroker,
    cloud: Cloud,
    stream: bytes,
    secrets: Secrets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "_INBOX", 1)
    slow, calls = threading.Event(), count()
    describe = Pipeline.describe

    def described(self: Pipeline, raw: RawSegment, composer: Composer) -> Described:
        if next(calls) == 1:  # the encoders are held up once, for as long as it takes
            slow.wait(60)
        return describe(self, raw, composer)

    monkeypatch.setattr(Pipeline, "describe", described)
    plugged = LiveCamera(stream)
    config = sealed_config(tmp_path, broker.port, tiny, plugged.url, secrets)
    with capture_logs() as logs, running(config) as summaries:
        wait_for(lambda: any(each.alarms for each in cloud.records), timeout_s=60)
        slow.set()
        wait_for(lambda: any(Layer.GAP in each.layers for each in list(cloud.packets.values())), timeout_s=60)
        wait_for(lambda: cloud.order[-1] > 3, timeout_s=60)
    plugged.unplug()
    boot = cloud.births[-1].boot_id
    records = [
        gap.decode(each.layers[Layer.GAP]) for each in cloud.packets.values() if Layer.GAP in each.layers
    ]
    assert {record.reason for record in records} == {GapReason.OVERLOADED}
    given_up = {number for each in records for number in range(each.first, each.last + 1)}
    assert summaries[0].dropped_segments == len(given_up) > 0
    kept = set(cloud.sequences(boot)) - {record.first for record in records}
    assert kept | given_up == set(range(max(kept | given_up) + 1))
    assert not kept & given_up
    after = min(number for number in kept if number > records[0].last)
    assert cloud.packets[boot, after].refresh
    assert {alarm for each in cloud.records for alarm in each.alarms} == {Alarm.OVERLOADED}
    assert "too slow for a camera" in [line["event"] for line in logs]


def test_a_wall_clock_that_is_set_while_the_agent_runs_is_announced(
    tmp_path: Path,
    tiny: Path,
    broker: LoopbackBroker,
    cloud: Cloud,
    stream: bytes,
    secrets: Secrets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugged = LiveCamera(stream)
    config = sealed_config(tmp_path, broker.port, tiny, plugged.url, secrets)
    true_ns = time.time_ns
    with capture_logs() as logs, running(config):
        wait_for(lambda: cloud.deliveries >= 1, timeout_s=60)
        before = cloud.births[-1]
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() + HOUR_MS * 10**6)
        wait_for(lambda: cloud.births[-1].boot_wall_ms != before.boot_wall_ms)
        wait_for(lambda: any(Alarm.CLOCK_STEPPED in each.alarms for each in cloud.records))
    plugged.unplug()
    after = cloud.births[-1]
    assert after.boot_id == before.boot_id
    # Two clocks are read, one after the other: time may pass in between.
    assert abs(after.boot_wall_ms - before.boot_wall_ms - HOUR_MS) < 1000
    assert [line["event"] for line in logs].count("wall clock was set") == 1


def mirage_edge(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "edge", *arguments, "--config", str(folder / "edge.toml")]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_the_command_warns_of_an_envelope_that_seals_nothing_without_being_asked(
    tmp_path: Path, film: Path
) -> None:
    config_of(tmp_path, free_port(), tmp_path, {"door": str(film)})
    done = mirage_edge(tmp_path, "run")
    assert done.returncode == 2  # there is no bundle
    assert "broker.envelope is none" in done.stderr


def test_the_command_names_a_key_that_is_missing_and_finds_credentials(
    tmp_path: Path, film: Path, secrets: Secrets
) -> None:
    path = write_config(tmp_path, free_port(), tmp_path, {"door": str(film)}, broker=SEALED)
    path.write_text(path.read_text().replace("[device]", '[device]\nkey = "credential:own"'))
    done = mirage_edge(tmp_path, "run")
    assert done.returncode == 2
    assert done.stderr.startswith("mirage: device.key: credential:own: $CREDENTIALS_DIRECTORY is not set")
    secrets.write(tmp_path)
    (tmp_path / "device.key").rename(tmp_path / "own")
    done = mirage_edge(tmp_path, "run", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert "bundle.toml" in done.stderr  # it got further
