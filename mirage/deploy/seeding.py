"""`mirage deploy seed`: seeds in a folder, for those who put them onto devices by other means."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet
from mirage.deploy.materials import read_materials
from mirage.deploy.seed import seed_of
from mirage.deploy.seed_image import seed_image, write_folder


def write_seeds(fleet: Fleet, devices: Iterable[Device], folder: Path, output: Path) -> Iterator[str]:
    """Write the seeds of these devices below `output`, and say so; `folder` is that of the fleet file."""
    output.mkdir(parents=True, exist_ok=True, mode=0o700)
    for device in devices:
        files = seed_of(fleet, device, read_materials(fleet, device, folder))
        write_folder(files, output / device.id)
        image = output / f"{device.id}.img"
        image.touch(mode=0o600)
        image.chmod(0o600)
        image.write_bytes(seed_image(files))
        yield f"{image}: {sum(map(len, files.values()))} bytes for {device.id}"
