"""The fleet file: what is wrong is named, with its key, before anything is done."""

import re
from pathlib import Path

import pytest

from mirage.deploy.fleet import FleetError, load
from tests.deploy.fleets import EXAMPLE

GATE = 'id = "north-gate"'


def changed(folder: Path, old: str, new: str) -> Path:
    text = EXAMPLE.read_text("utf-8")
    assert old in text
    path = folder / "fleet.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def test_the_example_is_a_fleet() -> None:
    fleet = load(EXAMPLE)
    assert [device.id for device in fleet.device] == ["north-gate", "north-yard"]
    gate, yard = fleet.device
    assert (gate.platform, gate.board_config, fleet.wave_of(gate)) == (
        "jetpack6",
        "jetson-orin-nano-devkit",
        "canary",
    )
    assert (yard.platform, fleet.wave_of(yard)) == ("amd64", "rest")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('tenant = "acme"', 'tenant = "acme"\ncolour = "blue"', "[fleet] has no key 'colour': it has "),
        ('tenant = "acme"', 'tenant = "Acme"', "fleet.tenant 'Acme'"),
        (GATE, 'id = "North gate"', "device.id 'North gate'"),
        (GATE, 'id = "-"', "device.id '-' has neither a letter nor a digit"),
        ('name = "ramp"', 'name = "--"', "camera '--' has neither"),
        ('tenant = "acme"', 'tenant = "-"', "fleet.tenant '-' has neither"),
        ('id = "north-yard"', GATE, "device.id 'north-gate' is there twice"),
        ('mac = "02:00:00:00:00:01"', 'serial = "1421223012345"', "device.serial '1421223012345'"),
        ('mac = "02:00:00:00:00:01"', 'mac = "02-00"', "device[1].mac"),
        ('serial = "1421223012345"', 'serial = "../../etc"', "device[0].serial"),
        ('site = "north"\nboard = "orin-nano"', 'site = "south"\nboard = "orin-nano"', "no site 'south'"),
        ('wave = "canary"', 'wave = "first"', "no wave 'first'"),
        ('board = "orin-nano"', 'board = "orin-mini"', "device[0].board"),
        ("jetpack = 6\n", "", "'north-gate': orin-nano needs jetpack"),
        ("jetpack = 6\n", "jetpack = 5\n", "jetpack"),
        ('board = "generic-amd64"', 'board = "generic-amd64"\njetpack = 6', "is no Jetson"),
        ('name = "ramp"', 'name = "yard"', "'north-yard': camera names"),
        ('name = "gate"', 'name = "ack"', "is reserved"),
        ('source = "/dev/video0"', r'source = "a\nb"', "source"),
        ('address = "10.0.0.21/24", ', "", "need network.address"),
        ('address = "10.0.0.21/24"', 'address = "10.0.0.21"', "is not ADDRESS/PREFIX"),
        ('gateway = "10.0.0.1"', 'gateway = "router"', "router"),
        ('gateway = "10.0.0.1"', 'gateway = "fd00::1"', "network.gateway 'fd00::1' is not of IPv4"),
        ('enrolment = "https:', 'enrolment = "http:', "cloud.enrolment"),
        ("ssh_keys = []", 'ssh_keys = ["-----BEGIN PRIVATE KEY-----"]', "access.ssh_keys"),
        ('user = "mirage-admin"', 'user = "root; reboot"', "access.user"),
        ('version = "0.1.0"', 'version = "../0.1"', "release.version"),
        ('waves = ["canary", "rest"]', 'waves = ["rest", "rest"]', "update.waves 'rest' is there twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(FleetError, match=re.escape(says)):
        load(changed(tmp_path, old, new))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"none.toml: No such file"):
        load(tmp_path / "none.toml")
