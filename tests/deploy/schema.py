"""cloud-init's own schema of user-data: from the package, installed or only unpacked."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

_PLACE = "usr/lib/python3/dist-packages/cloudinit/config/schemas"
_WAIT_S = 120


def cloud_config_schema(scratch: pytest.TempPathFactory) -> dict[str, object]:
    """Give the schema, or skip. It is not installed for it: that would change how this machine boots."""
    folder = Path("/", _PLACE)
    if not folder.is_dir():
        folder = _unpacked(scratch.getbasetemp() / "cloud-init") / _PLACE
    found = sorted(folder.glob("schema-cloud-config-v1.json"))
    if not found:
        pytest.skip("cloud-init is not installed, and apt-get cannot download it")
    loaded = json.loads(found[0].read_bytes())
    assert isinstance(loaded, dict)
    return loaded


def _unpacked(folder: Path) -> Path:
    if folder.exists() or not shutil.which("apt-get"):
        return folder
    folder.mkdir()
    command = ["apt-get", "download", "cloud-init"]
    subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=_WAIT_S)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    return folder
