"""The broker's folder: a development set-up in one command, and revocations that take effect at once."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloud import config as cloud_config
from cloud.acl import Grant, acl
from cloud.certificate import identity_of
from cloud.enrolment import Enrolment
from edge import config as edge_config
from mirage.demo.broker import free_port
from tests.mosquitto import Mosquitto, mosquitto, shipped
from tests.party import Party, admitted
from tests.pki import Credentials, Pki, new_key
from wire.topics import DeviceTopics

ROOT = Path(__file__).resolve().parents[2]
DOOR = DeviceTopics("acme", "north", "edge-1")
YARD = DeviceTopics("acme", "north", "edge-2")
OBSERVER = Grant("observer.all", reads=("#",), writes=("#",))


def enrolled(*devices: DeviceTopics) -> list[Enrolment]:
    return [Enrolment(device, ("door",), new_key().public_key(), 0) for device in devices]


def test_a_revocation_takes_effect_at_the_reload_and_disturbs_nobody_else(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    thief, honest, all_seeing = pki.device(DOOR), pki.device(YARD), pki.client("observer.all")
    probe = pki.client("probe.x")
    (tmp_path / "acl").write_text(acl(enrolled(DOOR, YARD), [OBSERVER]))
    with (
        mosquitto(tmp_path, shipped(tmp_path)) as broker,
        admitted(Party(broker.port, pki.ca, all_seeing), "mirage/#") as observer,
        admitted(Party(broker.port, pki.ca, honest), YARD.ack) as bystander,
        admitted(Party(broker.port, pki.ca, thief), DOOR.ack) as device,
    ):
        assert device.publish(DOOR.telemetry, b"before")
        (tmp_path / "acl").write_text(acl(enrolled(YARD), [OBSERVER]))
        pki.revoke(thief, probe)
        broker.reload()
        wait_until_refused(broker, pki, probe)
        assert not device.publish(DOOR.telemetry, b"after")
        assert not device.gone  # Mosquitto leaves the connection, but nothing comes through it
        assert bystander.publish(YARD.telemetry, b"last")
        observer.wait_for(YARD.telemetry, b"last")
        assert [heard.payload for heard in observer.heard if heard.topic == DOOR.telemetry] == [b"before"]
        observer.publish(DOOR.ack, b"after")
        observer.publish(YARD.ack, b"last")
        bystander.wait_for(YARD.ack, b"last")
        assert device.heard == []
        wait_until_refused(broker, pki, thief)


def wait_until_refused(broker: Mosquitto, pki: Pki, credentials: Credentials, tries: int = 200) -> None:
    """Wait for the broker to have reloaded: it lets this client in no more."""
    for _ in range(tries):
        party = Party(broker.port, pki.ca, credentials)
        verdict = party.connect()
        party.close()
        if verdict != "Success":
            return
    pytest.fail("the broker goes on letting a revoked certificate in")


def run_dev_pki(folder: Path, *options: str) -> list[str]:
    """Run the script, and give the commands that it prints."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(ROOT / "deploy" / "broker" / "dev-pki"), *options, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a development set-up with one device, in a folder whose name has a blank."""
    made: Path = tmp_path_factory.mktemp("dev") / "a broker"
    run_dev_pki(made, "-n", "1", "-p", str(free_port()), "-v", "rtsp://127.0.0.1/door")
    return made


def credentials(folder: Path, name: str) -> Credentials:
    key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return Credentials(folder / f"{name}.pem", folder / f"{name}.key", key)


def test_the_development_setup_is_one_that_its_parts_can_read(folder: Path) -> None:
    edge = edge_config.load(folder / "devices" / "edge-1" / "edge.toml")
    cloud = cloud_config.load(folder / "cloud" / "cloud.toml")
    assert edge.broker.envelope == cloud.broker.envelope == "sealed"
    assert edge.broker.port == cloud.broker.port
    for file in (edge.device.key, edge.device.certificate, edge.broker.ca, edge.broker.cloud_key):
        assert file is not None
        assert Path(folder / "devices" / "edge-1" / file).is_file()
    for file in (cloud.security.key, cloud.broker.ca, cloud.broker.certificate, cloud.broker.key):
        assert file is not None
        assert Path(file).is_file()
    assert len(cloud.broker.group) == 32  # nobody guesses it
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.key")} == {0o600}


def test_the_development_broker_serves_cloud_devices_and_third_parties(folder: Path, tmp_path: Path) -> None:
    config = (folder / "mosquitto.conf").read_text()
    config = re.sub(r"(?m)^listener \d+", "listener {port}", config)
    with mosquitto(tmp_path, config) as broker:
        ca = folder / "ca.pem"
        cloud = Party(broker.port, ca, credentials(folder / "cloud", "client"))
        viewer = Party(broker.port, ca, credentials(folder / "viewer", "client"))
        device = Party(broker.port, ca, credentials(folder / "devices" / "edge-1", "device"))
        packets, events = "$share/g/mirage/v1/+/+/+/+/sem", "mirage/v1/acme/+/+/+/event"
        with admitted(cloud, packets), admitted(viewer, events), admitted(device, DOOR.ack):
            device.publish(DOOR.sem("door"), b"packet")
            cloud.wait_for(DOOR.sem("door"), b"packet")
            cloud.publish(DOOR.ack, b"ack")
            device.wait_for(DOOR.ack, b"ack")
            cloud.publish(DOOR.event("door"), b"event")
            viewer.wait_for(DOOR.event("door"), b"event")


def test_a_second_run_adds_devices_and_changes_nothing_else(folder: Path) -> None:
    before = {
        path: path.read_bytes() for path in folder.rglob("*") if path.suffix in {".key", ".pem", ".toml"}
    }
    commands = run_dev_pki(folder, "-n", "2", "-v", "door.mp4")
    assert [command.partition(" ")[0] for command in commands] == ["mosquitto", "mirage", "mirage"]
    assert {path: path.read_bytes() for path in before} == before
    assert identity_of((folder / "devices" / "edge-2" / "device.pem").read_bytes()).device == YARD
    users = [line for line in (folder / "acl").read_text().splitlines() if line.startswith("user ")]
    assert users == ["user cloud.main", "user subscriber.viewer", "user edge-1", "user edge-2"]
