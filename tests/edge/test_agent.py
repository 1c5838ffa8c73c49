"""The agent as a whole: real films, real models, a real broker, and whatever goes wrong between them."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge import agent
from edge.camera import CameraError
from edge.config import Config
from edge.spool import Spool
from edge.summary import RunSummary
from edge.uplink import UplinkError
from mirage.demo.broker import LoopbackBroker, free_port
from tests.edge.cloud import Cloud, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.livecam import LiveCamera
from tests.edge.settings import config_of, write_config
from wire.bundle import BundleError

ROOT = Path(__file__).resolve().parents[2]
MEMORY_LIMIT_BYTES = 500 * 1024 * 1024


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


@contextmanager
def running(config: Config, drain_s: float = 10.0) -> Iterator[list[RunSummary]]:
    """Run an agent until the block ends; its summary is in the list afterwards."""
    stop, summaries = threading.Event(), list[RunSummary]()
    thread = threading.Thread(target=lambda: summaries.append(agent.run(config, stop, drain_s)), name="agent")
    thread.start()
    try:
        yield summaries
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_film_arrives_whole_and_the_agent_ends(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    summary = agent.run(config_of(tmp_path, broker.port, tiny, {"door": str(film)}), threading.Event())
    (birth,) = cloud.births
    assert cloud.sequences(birth.boot_id) == [0, 1]
    assert (summary.packets, summary.pending_packets, summary.dropped_segments) == (2, 0, 0)
    assert [report.duration_ms for report in summary.segments] == [2000, 2000]
    assert summary.packet_bytes == sum(report.packet_bytes for report in summary.segments)
    assert set(summary.layers) >= {"caption", "motion", "appearance-tokens"}
    assert (birth.cameras[0].name, birth.cameras[0].width, birth.cameras[0].fps) == ("door", 320, 25)
    wait_for(lambda: cloud.states == ["ready", "sleeping"])


def test_two_cameras_share_one_count(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    config = config_of(tmp_path, broker.port, tiny, {"door": str(film), "yard": str(film)})
    summary = agent.run(config, threading.Event())
    (birth,) = cloud.births
    assert [camera.name for camera in birth.cameras] == ["door", "yard"]
    assert cloud.sequences(birth.boot_id) == [0, 1, 2, 3]
    assert sorted(report.camera for report in summary.segments) == ["door", "door", "yard", "yard"]


def test_a_broken_film_ends_the_run_before_it_begins(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud
) -> None:
    (tmp_path / "letter.mp4").write_bytes(b"hello")
    with pytest.raises(CameraError, match=r"letter\.mp4: not a video"):
        agent.run(config_of(tmp_path, broker.port, tiny, {"door": "letter.mp4"}), threading.Event())
    assert cloud.births == []


def test_a_folder_that_is_no_bundle_ends_the_run(tmp_path: Path, film: Path) -> None:
    config = config_of(tmp_path, free_port(), tmp_path, {"door": str(film)})
    with pytest.raises(BundleError, match=r"bundle\.toml"):
        agent.run(config, threading.Event())


def test_without_a_broker_a_film_stays_in_the_spool_and_arrives_later(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    nowhere = free_port()
    config = config_of(tmp_path, nowhere, tiny, {"door": str(film)})
    with capture_logs(), pytest.raises(UplinkError, match=f"127.0.0.1:{nowhere}: 2 packets") as caught:
        agent.run(config, threading.Event(), drain_timeout_s=0.5)
    assert str(tmp_path / "spool.db") in str(caught.value)
    summary = agent.run(config_of(tmp_path, broker.port, tiny, {"door": str(film)}), threading.Event())
    old, new = (birth.boot_id for birth in cloud.births)
    assert (cloud.sequences(old), cloud.sequences(new)) == ([0, 1], [0, 1])
    assert cloud.packets[old, 0].historical
    assert summary.pending_packets == 0


def test_a_broker_that_dies_in_the_middle_costs_no_packet(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, stream: bytes
) -> None:
    first = Cloud(broker.port)
    plugged = LiveCamera(stream)
    with capture_logs(), running(config_of(tmp_path, broker.port, tiny, {"door": plugged.url}), 5.0):
        wait_for(lambda: first.deliveries >= 1)
        broker.stop()
        first.close()
        waiting = plugged.served
        wait_for(lambda: plugged.served > waiting)  # the camera goes on as if nothing had happened
        broker.start()
        second = Cloud(broker.port)
        wait_for(lambda: second.deliveries >= 2)
    boot = second.births[0].boot_id
    plugged.unplug()
    known = set(first.sequences(boot)) | set(second.sequences(boot))
    spool = Spool(tmp_path / "spool.db")
    known |= {item.sequence for item in spool.pending(99)}  # where nobody listened yet, it is sent again
    spool.close()
    assert known == set(range(max(known) + 1))
    second.close()


def test_a_camera_that_is_unplugged_and_plugged_in_again_goes_on(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, stream: bytes
) -> None:
    port = free_port()
    config = config_of(tmp_path, broker.port, tiny, {"door": f"http://127.0.0.1:{port}/stream.ts"})
    with capture_logs() as logs, running(config):
        wait_for(lambda: any(line["event"] == "no camera" for line in logs))
        plugged = LiveCamera(stream, port)
        wait_for(lambda: cloud.deliveries >= 1)
        plugged.unplug()
        wait_for(lambda: any(line["event"] == "camera vanished" for line in logs))
        again, before = LiveCamera(stream, port), cloud.deliveries
        wait_for(lambda: cloud.deliveries > before + 1)
    again.unplug()
    boot = cloud.births[-1].boot_id
    assert [camera.name for camera in cloud.births[-1].cameras] == ["door"]
    ordered = [cloud.packets[boot, sequence] for sequence in cloud.sequences(boot)]
    starts = [packet.captured_ms for packet in ordered]
    assert starts == sorted(starts)
    assert any(packet.cut for packet in ordered)


def test_stop_ends_every_thread_and_says_goodbye(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, stream: bytes
) -> None:
    plugged = LiveCamera(stream)
    with capture_logs(), running(config_of(tmp_path, broker.port, tiny, {"door": plugged.url})) as summaries:
        wait_for(lambda: cloud.deliveries >= 1)
        assert names_of_threads() >= {"capture-door", "describe", "uplink"}
    plugged.unplug()
    assert not names_of_threads() & {"capture-door", "describe", "uplink"}
    wait_for(lambda: cloud.states[-1] == "sleeping")
    assert summaries[0].pending_packets == 0


@pytest.mark.slow
def test_sigterm_ends_the_process_cleanly(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, stream: bytes
) -> None:
    plugged = LiveCamera(stream)
    path = write_config(tmp_path, broker.port, tiny, {"door": plugged.url})
    command = [sys.executable, "-m", "mirage", "edge", "run", "--json", "--config", str(path)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: cloud.deliveries >= 1, timeout_s=60)
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=60)
    plugged.unplug()
    assert child.returncode == 0
    assert json.loads(out)["packets"] == cloud.deliveries
    wait_for(lambda: cloud.states[-1] == "sleeping")


@pytest.mark.slow
def test_the_agent_stays_below_its_memory_limit(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, bunny: Path
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here, so nothing tells the peak of a process's memory")
    path = write_config(tmp_path, broker.port, tiny, {"door": str(bunny)}, "[encode]\nthreads = 2")
    command = [sys.executable, "-m", "mirage", "edge", "run", "--json", "--config", str(path)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    peak_bytes = 0
    while child.poll() is None:  # what getrusage says would include this process, which forked it
        peak_bytes = max(peak_bytes, peak_rss_bytes(child.pid))
        time.sleep(0.02)
    out, _ = child.communicate()
    assert (child.returncode, json.loads(out)["packets"], cloud.deliveries) == (0, 3, 3)
    assert 0 < peak_bytes < MEMORY_LIMIT_BYTES


def peak_rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peaks = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else 0


def test_a_spool_that_cannot_be_written_ends_the_run_with_its_name(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, film: Path
) -> None:
    (tmp_path / "spool.db").mkdir()
    with pytest.raises(Exception, match=r"spool\.db: unable to open database file"):
        agent.run(config_of(tmp_path, broker.port, tiny, {"door": str(film)}), threading.Event())


def test_what_the_spool_holds_survives_the_run(tmp_path: Path, tiny: Path, film: Path) -> None:
    config = config_of(tmp_path, free_port(), tiny, {"door": str(film)})
    with capture_logs(), pytest.raises(UplinkError):
        agent.run(config, threading.Event(), drain_timeout_s=0)
    spool = Spool(tmp_path / "spool.db")
    assert [item.sequence for item in spool.pending(9)] == [0, 1]
    spool.close()
