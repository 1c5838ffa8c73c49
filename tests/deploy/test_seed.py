"""Seeds: what a device reads at its first boot, the same bytes each time, and no private key."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft4Validator
from msgspec.structs import replace as struct_replace

from edge import config as edge_config
from edge import enrolment_config
from edge.update import settings as update_settings
from mirage.deploy.fleet import Fleet, load
from mirage.deploy.materials import MaterialError, Materials, read_materials
from mirage.deploy.seed import seed_of
from mirage.deploy.seed_image import seed_image
from mirage.deploy.seeding import write_seeds
from tests.deploy.fleets import CLAIM, EXAMPLE, fleet_folder, need, private_key
from tests.deploy.schema import cloud_config_schema, cloud_init

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SECRET = Materials("CA\n", "CLOUD\n", CLAIM, "a radio's password", "RELEASES\n")


def user_data(seed: dict[str, bytes]) -> dict[str, object]:
    loaded = yaml.safe_load(seed["user-data"])
    assert isinstance(loaded, dict)
    return loaded


def written(seed: dict[str, bytes]) -> dict[str, dict[str, str]]:
    files = user_data(seed)["write_files"]
    assert isinstance(files, list)
    return {each["path"]: each for each in files}


@pytest.fixture
def fleet() -> Fleet:
    return load(EXAMPLE)


def test_the_agent_finds_its_settings_in_the_seed(fleet: Fleet, tmp_path: Path) -> None:
    yard = fleet.find("north-yard")
    settings = tmp_path / "edge.toml"
    settings.write_text(written(seed_of(fleet, yard, SECRET))["/etc/mirage/edge.toml"]["content"])
    config = edge_config.load(settings)
    assert (config.device.tenant, config.device.site, config.device.id) == ("acme", "north", "north-yard")
    assert config.device.key == "credential:device.key"
    assert (config.broker.host, config.broker.port, config.broker.envelope) == (
        "mqtt.example.com",
        8883,
        "sealed",
    )
    assert (config.broker.ca, config.broker.cloud_key) == ("/etc/mirage/ca.pem", "/etc/mirage/cloud.pub")
    assert config.network.bytes_per_s == 200
    assert [(each.name, each.source) for each in config.camera] == [
        ("yard", "/dev/video0"),
        ("ramp", "rtsp://10.0.0.12:554/stream"),
    ]


def test_strange_text_reaches_the_agent_unchanged(fleet: Fleet, tmp_path: Path) -> None:
    source = "rtsp://user:p\"a\\s's#%20@10.0.0.1/ünï?x=1&y={$HOME}"
    gate = fleet.find("north-gate")
    path = tmp_path / "fleet.toml"
    text = EXAMPLE.read_text("utf-8").replace('"rtsp://10.0.0.11:554/stream"', json.dumps(source))
    path.write_text(text, "utf-8")
    settings = tmp_path / "edge.toml"
    strange = load(path)
    content = written(seed_of(strange, strange.find(gate.id), SECRET))["/etc/mirage/edge.toml"]["content"]
    settings.write_text(content, "utf-8")
    assert edge_config.load(settings).camera[0].source == source


def test_only_root_may_read_the_claim(fleet: Fleet) -> None:
    claim = written(seed_of(fleet, fleet.device[0], SECRET))["/etc/mirage/claim"]
    assert (claim["content"], claim["permissions"], claim["owner"]) == (f"{CLAIM}\n", "0600", "root:root")


def test_nobody_may_log_in_without_a_key_and_then_by_key_only(fleet: Fleet, tmp_path: Path) -> None:
    data = user_data(seed_of(fleet, fleet.device[0], SECRET))
    root = {"name": "root", "lock_passwd": True}
    assert (data["users"], data["ssh_pwauth"], data["disable_root"]) == ([root], False, True)
    path = tmp_path / "fleet.toml"
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7x me@here"
    path.write_text(EXAMPLE.read_text("utf-8").replace("ssh_keys = []", f'ssh_keys = ["{key}"]'), "utf-8")
    users = user_data(seed_of(load(path), fleet.device[0], SECRET))["users"]
    assert isinstance(users, list)
    user = users[-1]
    assert (user["name"], user["lock_passwd"], user["ssh_authorized_keys"]) == ("mirage-admin", True, [key])


def test_addresses_are_as_the_fleet_file_says(fleet: Fleet) -> None:
    static = json.loads(seed_of(fleet, fleet.find("north-yard"), SECRET)["network-config"])
    assert static["ethernets"]["uplink"] == {
        "match": {"macaddress": "02:00:00:00:00:01"},
        "dhcp4": False,
        "dhcp6": False,
        "addresses": ["10.0.0.21/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}],
        "nameservers": {"addresses": ["10.0.0.1"]},
    }
    dynamic = json.loads(seed_of(fleet, fleet.find("north-gate"), SECRET)["network-config"])
    assert dynamic["ethernets"]["uplink"]["match"] == {"name": "e*"}
    assert dynamic["ethernets"]["uplink"]["dhcp4"] is True


def test_a_radio_network_gets_its_password(tiny: Path, tmp_path: Path) -> None:
    wifi = 'network = { wifi = { ssid = "Yard: #1", password_file = "wifi" } }\nwave = "canary"'
    file = fleet_folder(tmp_path, tiny, ('wave = "canary"', wifi))
    (tmp_path / "wifi").write_text("correct horse\n")
    (tmp_path / "wifi").chmod(0o600)
    fleet = load(file)
    gate = fleet.find("north-gate")
    seed = seed_of(fleet, gate, read_materials(fleet, gate, tmp_path))
    uplink = json.loads(seed["network-config"])["wifis"]["uplink"]
    assert uplink["access-points"] == {"Yard: #1": {"password": "correct horse"}}


def test_a_jetson_is_set_to_its_power_mode_and_others_are_not(fleet: Fleet) -> None:
    assert ["nvpmodel", "-m", "0"] in user_data(seed_of(fleet, fleet.find("north-gate"), SECRET))["runcmd"]  # type: ignore[operator]
    assert b"nvpmodel" not in seed_of(fleet, fleet.find("north-yard"), SECRET)["user-data"]


def test_another_seed_is_another_instance_and_the_same_seed_is_not(fleet: Fleet) -> None:
    gate = fleet.find("north-gate")
    first, again = seed_of(fleet, gate, SECRET), seed_of(fleet, gate, SECRET)
    assert first == again
    other = seed_of(fleet, gate, replace(SECRET, claim="b3RoZXItZW5yb2xtZW50"))
    assert json.loads(other["meta-data"])["instance-id"] != json.loads(first["meta-data"])["instance-id"]


@pytest.mark.parametrize("device", ["north-gate", "north-yard"])
def test_cloud_init_takes_the_user_data(
    fleet: Fleet, device: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    schema = cloud_config_schema(tmp_path_factory)
    seed = seed_of(fleet, fleet.find(device), SECRET)
    assert seed["user-data"].startswith(b"#cloud-config\n")
    data = user_data(seed)
    assert [error.message for error in Draft4Validator(schema).iter_errors(data)] == []
    assert list(Draft4Validator(schema).iter_errors({**data, "runcmd": 7}))  # the schema does look


def test_cloud_init_takes_the_user_who_may_log_in(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    schema = cloud_config_schema(tmp_path_factory)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7x me@here"
    known = struct_replace(fleet, access=struct_replace(fleet.access, ssh_keys=(key,)))
    data = user_data(seed_of(known, known.device[0], SECRET))
    assert [error.message for error in Draft4Validator(schema).iter_errors(data)] == []


_RENDER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from cloudinit.net import netplan, network_state
state = network_state.parse_net_config_data(json.load(sys.stdin))
print(netplan.Renderer()._render_content(state))
"""


@pytest.mark.parametrize(("address", "gateway"), [("10.0.0.21/24", "10.0.0.1"), ("fd00::21/64", "fd00::1")])
@pytest.mark.parametrize("device", ["north-gate", "north-yard"])
def test_cloud_init_takes_the_network(
    tmp_path: Path, device: str, address: str, gateway: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = cloud_init(tmp_path_factory)
    path = tmp_path / "fleet.toml"
    text = EXAMPLE.read_text("utf-8").replace("10.0.0.21/24", address)
    path.write_text(text.replace('gateway = "10.0.0.1"', f'gateway = "{gateway}"'), "utf-8")
    fleet = load(path)
    seed = seed_of(fleet, fleet.find(device), SECRET)
    command = [sys.executable, "-c", _RENDER, str(place)]
    done = subprocess.run(command, input=seed["network-config"], capture_output=True, check=False)
    if b"ModuleNotFoundError" in done.stderr:
        pytest.skip(f"cloud-init does not run on this Python: {done.stderr.decode().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr.decode()
    rendered = yaml.safe_load(done.stdout)["network"]["ethernets"]["uplink"]
    assert rendered.get("dhcp4", False) == (device == "north-gate")
    assert (gateway in str(rendered)) == (device == "north-yard")


@pytest.mark.parametrize("name", ["pki/ca.pem", "pki/cloud.pub"])
def test_a_private_key_goes_into_no_seed(tiny: Path, tmp_path: Path, name: str) -> None:
    fleet = load(fleet_folder(tmp_path, tiny))
    path = tmp_path / name
    path.write_bytes(path.read_bytes() + private_key())
    with pytest.raises(MaterialError, match="holds a private key"):
        read_materials(fleet, fleet.device[0], tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "mode", "says"),
    [
        ("claims/north-gate.claim", CLAIM, 0o644, "others may read it"),
        ("claims/north-gate.claim", "short", 0o600, "is not one line with a claim"),
        ("claims/north-gate.claim", f"{CLAIM}\n{CLAIM}", 0o600, "is not one line with a claim"),
        ("pki/ca.pem", "hello", 0o644, "is no certificate"),
        ("pki/cloud.pub", "hello", 0o644, "is no public key"),
        ("pki/cloud.pub", "x" * 70_000, 0o644, "is larger than"),
        ("pki/cloud.pub", "é", 0o644, "is no plain text"),
        ("pki/release.pub", "hello", 0o644, "no public key"),
    ],
)
def test_a_wrong_file_is_named(
    tiny: Path, tmp_path: Path, name: str, content: str, mode: int, says: str
) -> None:
    fleet = load(fleet_folder(tmp_path, tiny))
    (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / name).chmod(mode)
    with pytest.raises(MaterialError, match=says) as caught:
        read_materials(fleet, fleet.device[0], tmp_path)
    assert name in str(caught.value)


def test_the_image_is_the_same_each_time_and_holds_the_seed(fleet: Fleet, tmp_path: Path) -> None:
    need("mkfs.vfat", "mcopy")
    files = seed_of(fleet, fleet.device[0], SECRET)
    first = seed_image(files)
    second = int(time.time())
    while int(time.time()) < second + 2:  # the resolution of time stamps on vfat
        time.sleep(0.1)
    assert seed_image(files) == first
    image = tmp_path / "seed.img"
    image.write_bytes(first)
    for name, data in files.items():
        command = ["mcopy", "-i", str(image), f"::{name}", "-"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == data
    assert b"CIDATA" in first


def test_seeds_on_disk_are_for_their_owner_only(tiny: Path, tmp_path: Path) -> None:
    need("mkfs.vfat", "mcopy")
    fleet = load(fleet_folder(tmp_path, tiny))
    output = tmp_path / "seeds"
    (output / "north-gate").mkdir(parents=True)
    for left in ("north-gate.img", "north-gate/.user-data.partial", "north-gate/meta-data"):
        (output / left).touch()
        (output / left).chmod(0o644)
    output.chmod(0o700)
    (output / "north-gate").chmod(0o700)
    said = list(write_seeds(fleet, fleet.device, tmp_path, output))
    assert len(said) == 2
    for path in output.rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    assert list(write_seeds(fleet, fleet.device, tmp_path, output)) == said


def test_the_device_enrols_by_what_its_seed_says(fleet: Fleet, tmp_path: Path) -> None:
    gate = fleet.find("north-gate")
    seed = seed_of(fleet, gate, SECRET)
    file = tmp_path / "enrolment.toml"
    file.write_text(written(seed)["/etc/mirage/enrolment.toml"]["content"], "utf-8")
    found = enrolment_config.load(file)
    assert (found.name, found.url) == ("acme/north/north-gate", fleet.cloud.enrolment)
    pinned, claim = written(seed)["/etc/mirage/ca.pem"]["content"], written(seed)[str(found.claim)]["content"]
    assert (found.ca, pinned, claim) == ("/etc/mirage/ca.pem", SECRET.ca, f"{SECRET.claim}\n")
    started = user_data(seed)["runcmd"][-1]  # type: ignore[index]
    assert started[:4] == ["systemctl", "enable", "--now", "--no-block"]
    assert {"mirage-enrol.service", "mirage-renew.timer", "mirage-edge.service"} < set(started)


def test_a_device_with_a_tpm_has_nothing_in_its_seed_that_lets_a_copy_enrol(
    tiny: Path, tmp_path: Path
) -> None:
    known = f'id = "north-gate"\ntpm = "{"5a" * 32}"'
    folder = fleet_folder(tmp_path, tiny, ('id = "north-gate"', known)).parent
    fleet = load(folder / "fleet.toml")
    (folder / "claims/north-gate.claim").unlink()
    gate = fleet.find("north-gate")
    materials = read_materials(fleet, gate, folder)
    assert materials.claim is None
    files = written(seed_of(fleet, gate, materials))
    assert "/etc/mirage/claim" not in files
    assert all(each["permissions"] == "0644" for each in files.values()), "no secrets"
    file = tmp_path / "enrolment.toml"
    file.write_text(files["/etc/mirage/enrolment.toml"]["content"], "utf-8")
    found = enrolment_config.load(file)
    assert (found.claim, found.tpm) == (None, "device:/dev/tpmrm0")
    assert read_materials(fleet, fleet.find("north-yard"), folder).claim == CLAIM


def test_the_device_updates_by_what_its_seed_says(fleet: Fleet, tmp_path: Path) -> None:
    gate = fleet.find("north-gate")
    seed = seed_of(fleet, gate, SECRET)
    (tmp_path / "edge.toml").write_text(written(seed)["/etc/mirage/edge.toml"]["content"], "utf-8")
    settings = edge_config.load(tmp_path / "edge.toml").update.settings
    assert settings == "/etc/mirage/update.toml"
    (tmp_path / "update.toml").write_text(written(seed)[settings]["content"], "utf-8")
    found = update_settings.load(tmp_path / "update.toml")
    assert (found.url, found.health_minutes, found.bytes_per_s) == (fleet.update.url, 10, 20_000)
    assert written(seed)[found.key]["content"] == SECRET.release_key
    assert (found.root, found.wishes) == ("/opt/mirage", "/var/lib/mirage/update")
    started = user_data(seed)["runcmd"][-1]  # type: ignore[index]
    units = {Path(each).name for each in UNITS.glob("mirage-update*")}
    assert units < set(started)
    assert len(units) == 4


def test_a_device_without_a_place_or_a_key_for_releases_takes_none(fleet: Fleet, tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    for line in ('url = "https://cloud.example.com:8444/v1/releases"', 'key = "pki/release.pub"'):
        assert line in text
        (tmp_path / "fleet.toml").write_text(text.replace(line, "#", 1), "utf-8")
        seed = seed_of(load(tmp_path / "fleet.toml"), fleet.device[0], SECRET)
        assert not {"/etc/mirage/update.toml", "/etc/mirage/release.pub"} & written(seed).keys()
        assert "[update]" not in written(seed)["/etc/mirage/edge.toml"]["content"]
        assert "mirage-update" not in str(user_data(seed)["runcmd"])
