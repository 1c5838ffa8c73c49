"""cloud-init's own schema of user-data: from the package, installed or only unpacked."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

_PLACE = "usr/lib/python3/dist-packages"
_WAIT_S = 120


def cloud_config_schema(scratch: pytest.TempPathFactory) -> dict[str, object]:
    """Give the schema of user-data, or skip."""
    schema = cloud_init(scratch) / "cloudinit/config/schemas/schema-cloud-config-v1.json"
    loaded = json.loads(schema.read_bytes())
    assert isinstance(loaded, dict)
    return loaded


def cloud_init(scratch: pytest.TempPathFactory) -> Path:
    """Give the folder of cloud-init's Python package, or skip.

    It is not installed for tests: that would change how this machine boots.
    """
    folder = Path("/", _PLACE)
    if not (folder / "cloudinit").is_dir():
        folder = _unpacked(scratch.getbasetemp() / "cloud-init") / _PLACE
    if not (folder / "cloudinit/config/schemas").is_dir():
        pytest.skip("cloud-init is not installed, and apt-get cannot download it")
    return folder


def _unpacked(folder: Path) -> Path:
    if folder.exists() or not shutil.which("apt-get"):
        return folder
    folder.mkdir()
    command = ["apt-get", "download", "cloud-init"]
    subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=_WAIT_S)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    return folder
