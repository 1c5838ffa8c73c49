"""What senders and their links forbid: a device's own word before its site's, before the fleet's."""

import re
from pathlib import Path

import pytest

from edge import config as edge_config
from edge.config import Config
from mirage.deploy.agent_settings import edge_toml
from mirage.deploy.fleet import FleetError, load
from tests.deploy.fleets import EXAMPLE

WIDE = """
[sender]
preset = "private"
faces = "keep"
words = ["badge", "\\u007f\\"é"]
[sender.receiver]
keep_days = 3
largest_px = 128

[uplink]
latency_ms = 2000
bytes_per_month = 5_000_000

[[uplink.link]]
name = "radio"
match = ["wwan*", "ppp0"]
price_per_mb = "0.40 EUR"
bytes_per_month = "unlimited"
send_hours = ["22:00-06:00"]

[[site]]
"""


def fleet_file(folder: Path, *changes: tuple[str, str]) -> Path:
    text = EXAMPLE.read_text("utf-8").replace("[[site]]\n", WIDE.lstrip("\n"))
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "fleet.toml"
    path.write_text(text, "utf-8")
    return path


def settings(path: Path, device: str) -> Config:
    """Read the device's settings as its agent does."""
    fleet = load(path)
    written = path.with_name(f"{device}.toml")
    written.write_text(edge_toml(fleet, fleet.find(device)), "utf-8")
    return edge_config.load(written)


def test_what_the_fleet_says_reaches_the_agent(tmp_path: Path) -> None:
    config = settings(fleet_file(tmp_path), "north-gate")
    sender, network = config.sender, config.network
    assert (sender.preset, sender.faces, sender.text, sender.noise) == ("private", "keep", "redact", 8.0)
    assert sender.words == ("badge", '\x7f"é')
    assert (sender.receiver.keep_days, sender.receiver.largest_px, sender.receiver.publish) == (3, 128, False)
    assert (network.bytes_per_s, network.latency_ms, network.bytes_per_month) == (200, 2000, 5_000_000)
    radio = network.on("radio")
    assert network.link_of("wwan0") == "radio"
    assert (radio.bytes_per_month, radio.send_hours) == (None, ("22:00-06:00",))


def test_a_site_goes_before_the_fleet_and_a_device_before_both(tmp_path: Path) -> None:
    north, canary = 'id = "north"', 'wave = "canary"'
    site = (north, f'{north}\nsender = {{ text = "keep", receiver = {{ keep_days = 2 }} }}')
    uplink = "uplink = { bytes_per_s = 50, latency_ms = 1000 }"
    own = (canary, f"{canary}\n{uplink}\nsender = {{ receiver = {{ keep_days = 1 }} }}")
    path = fleet_file(tmp_path, site, own)
    gate, yard = settings(path, "north-gate"), settings(path, "north-yard")
    assert (gate.sender.text, gate.sender.receiver.keep_days, gate.sender.receiver.largest_px) == (
        "keep",
        1,
        128,
    )
    assert (gate.network.bytes_per_s, gate.network.latency_ms, gate.network.bytes_per_month) == (
        50,
        1000,
        5_000_000,
    )
    assert (yard.sender.text, yard.sender.receiver.keep_days, yard.network.bytes_per_s) == ("keep", 2, 200)


def test_a_preset_begins_anew(tmp_path: Path) -> None:
    own = ('wave = "canary"', 'wave = "canary"\nsender = { preset = "balanced" }')
    sender = settings(fleet_file(tmp_path, own), "north-gate").sender
    assert (sender.faces, sender.words, sender.receiver.keep_days) == ("redact", ("skin", "plate"), 30)


def test_zones_are_of_a_camera(tmp_path: Path) -> None:
    source = 'source = "rtsp://10.0.0.11:554/stream"'
    zones = '[{ box = [0.6, 0.0, 1.0, 0.5] }, { see = "only", points = [[0, 0.25], [1, 0.5], [1, 1]] }]'
    path = fleet_file(tmp_path, (source, f"{source}, zones = {zones}"))
    (camera,) = settings(path, "north-gate").camera
    never, only = camera.zones
    assert (never.see, never.box) == ("never", (0.6, 0.0, 1.0, 0.5))
    assert (only.see, only.points) == ("only", ((0, 0.25), (1, 0.5), (1, 1)))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('faces = "keep"', 'face = "keep"', "fleet.toml: [sender] has no key 'face': did you mean faces?"),
        ("latency_ms = 2000", "latency_ms = 2", "[uplink] Expected `int` >= 500 - at `uplink.latency_ms`"),
        (
            'id = "north"\nbytes', 'id = "north"\nsender = { receiver = { keep = 3 } }\nbytes',
            "fleet.toml: [site north: sender.receiver] has no key 'keep'",
        ),
        (
            'wave = "canary"', 'wave = "canary"\nuplink = { layers = [] }',
            "fleet.toml: [device north-gate: uplink] layers is empty",
        ),
        (
            'wave = "canary"',
            'wave = "canary"\nuplink = { layers = ["motion"] }\nsender = { layers = ["caption"] }',
            "fleet.toml: device north-gate: ",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(FleetError, match=re.escape(says)):
        load(fleet_file(tmp_path, (old, new)))
