"""The fleet of one virtual board, with all files that its file names, and that of a board with a TPM."""

from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.fleet import load
from mirage.deploy.materials import read_materials
from mirage.deploy.payload import image_with_seed
from mirage.deploy.seed import seed_of
from mirage.deploy.seed_image import seed_image
from tests.boot.machine import HOST, accelerator
from tests.boot.stage import Stage, mirage


@dataclass(frozen=True)
class Board:
    """What the fleet file says of one device."""

    name: str
    mac: str
    serial: str


YARD = Board("yard-1", "52:54:00:6d:00:01", "BOOT-1")
YARD_WITH_TPM = Board("yard-2", "52:54:00:6d:00:02", "BOOT-2")
DISK_BYTES = 6 * 2**30
HEALTH_MINUTES = 2 if accelerator() == "kvm" else 8
_FLEET = """\
[fleet]
name = "boot"
tenant = "acme"
[release]
version = "{version}"
key = "release.pub"
archives = {{ amd64 = "agent.tar" }}
images = {{ amd64 = "mirage.img" }}
[bundle]
path = "{bundle}"
archive = "bundle.tar"
[broker]
host = "{host}"
port = {broker}
ca = "pki/ca.pem"
[cloud]
key = "cloud.pub"
enrolment = "https://{host}:{enrol}/api/v1/enrol"
[update]
url = "https://{host}:{enrol}/v1/releases"
health_minutes = {health_minutes}
[access]
user = "boot"
ssh_keys = []
[[site]]
id = "north"
[[device]]
id = "{device}"
site = "north"
board = "generic-amd64"
serial = "{serial}"
mac = "{mac}"
{tpm}cameras = [{{ name = "yard", source = "{camera}" }}]
"""


@dataclass(frozen=True)
class Fleet:
    """The fleet file, beside what it names."""

    file: Path
    board: Board

    @property
    def folder(self) -> Path:
        return self.file.parent


def make_fleet(
    stage: Stage, bundle: Path, camera: str, board: Board = YARD, *, tpm: str | None = None
) -> Fleet:
    """Write the fleet file of a board, and make key and claim; with a TPM, that has this fingerprint."""
    file = stage.folder / ("fleet.toml" if tpm is None else "tpm.toml")
    known = {"host": HOST, "broker": stage.broker.port, "enrol": stage.enrol_port, "camera": camera}
    device = {"device": board.name, "serial": board.serial, "mac": board.mac, "version": "0.1.0"}
    more = {
        "bundle": bundle,
        "health_minutes": HEALTH_MINUTES,
        "tpm": "" if tpm is None else f'tpm = "{tpm}"\n',
    }
    file.write_text(_FLEET.format(**known, **device, **more), "utf-8")
    if not (stage.folder / "release.key").exists():
        mirage("deploy", "release-key", stage.folder / "release")
    mirage("cloud", "claims", "create", "--config", stage.config, "--fleet", file)
    return Fleet(file, board)


def write_disk(fleet: Fleet, image: Path, disk: Path) -> None:
    """Write image and seed as `mirage deploy flash` does to a disk, onto one that is larger."""
    known = load(fleet.file)
    device = known.find(fleet.board.name)
    seed = seed_image(seed_of(known, device, read_materials(known, device, fleet.folder)))
    payload = image_with_seed(image, seed)
    with disk.open("wb") as file:
        for block in payload.blocks():
            if block.count(0) == len(block):
                file.seek(len(block), 1)
            else:
                file.write(block)
        file.truncate(DISK_BYTES)
