"""A seed as a small vfat image with the label CIDATA, which cloud-init finds on any disk or stick.

Made with mkfs.vfat and mcopy. The same files give the same bytes: all time stamps are those of `EPOCH_S`. (An
ISO of genisoimage has the time of its making in it, and no option that says otherwise.)
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mirage.deploy.tools import tool

LABEL = "CIDATA"
VOLUME_ID = "4d495241"
EPOCH_S = 1_700_000_000
KIBIBYTES = 512


class SeedImageError(RuntimeError):
    """The image could not be made; the message says why."""


def seed_image(files: Mapping[str, bytes]) -> bytes:
    """Make the image. Raises ToolError where a program is missing, and SeedImageError."""
    mkfs, mcopy = tool("mkfs.vfat"), tool("mcopy")
    with tempfile.TemporaryDirectory(prefix="mirage-seed-") as name:  # only its owner may look into it
        folder = Path(name)
        image = folder / "seed.img"
        paths = []
        for file, data in files.items():
            path = folder / file
            path.write_bytes(data)
            os.utime(path, (EPOCH_S, EPOCH_S))
            paths.append(str(path))
        _run([mkfs, "-C", "-n", LABEL, "-i", VOLUME_ID, "--invariant", str(image), str(KIBIBYTES)])
        _run([mcopy, "-m", "-i", str(image), *paths, "::"])
        return image.read_bytes()


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files where cloud-init on the device looks for them; only the owner may read them."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, data in files.items():
        partial = folder / f".{name}.partial"
        partial.touch(mode=0o600)
        partial.chmod(0o600)
        partial.write_bytes(data)
        partial.replace(folder / name)


def _run(command: list[str]) -> None:
    # mkfs.vfat and mcopy -m need none of it today; SOURCE_DATE_EPOCH is what programs agreed on.
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH_S), "TZ": "UTC", "LC_ALL": "C", "PATH": os.defpath}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise SeedImageError(f"{Path(command[0]).name}: {said[-1] if said else f'exit {done.returncode}'}")
