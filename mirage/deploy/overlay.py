"""What is laid over the root file system of a Jetson before it is flashed.

    /etc/systemd/system/mirage-*.service   units of deploy/systemd, and links that start them
    /usr/lib/sysusers.d/mirage.conf        the user that the agent runs as
    /usr/lib/mirage/first-boot             takes the device's own seed out of those below, and clears the rest
    /usr/lib/mirage/seeds/NAME/...         NAME: the device's serial, its MAC (02-00-...), or any
    /etc/cloud/...                         cloud-init looks nowhere else, and is not switched off

The seeds of all devices that are flashed at once are on each of them until its first boot: if one is lost
before, the claims of all are to be withdrawn.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from mirage.deploy.seed_image import write_folder

SEEDS = "usr/lib/mirage/seeds"
_WANTED = {
    "mirage-edge.service": "multi-user.target.wants",
    "mirage-engines.service": "multi-user.target.wants",
    "mirage-first-boot.service": "sysinit.target.wants",
}
_CLOUD = {
    "etc/cloud/cloud.cfg.d/99-mirage.cfg": "datasource_list: [NoCloud, None]\n",
    "etc/cloud/ds-identify.cfg": "policy: enabled\n",  # at its time the seed is not yet where it looks
}


def write_overlay(seeds: Mapping[str, Mapping[str, bytes]], data: Path, target: Path) -> None:
    """Write the tree into `target`, which is made anew; `data` is the repository's folder deploy."""
    if target.exists():
        shutil.rmtree(target)
    units = target / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in sorted((data / "systemd").glob("*.service")):
        _copy(unit, units / unit.name, 0o644)
    for unit_name, wants in _WANTED.items():
        (units / wants).mkdir(exist_ok=True)
        (units / wants / unit_name).symlink_to(f"../{unit_name}")
    _copy(data / "systemd/mirage.sysusers", target / "usr/lib/sysusers.d/mirage.conf", 0o644)
    _copy(data / "first-boot/first-boot", target / "usr/lib/mirage/first-boot", 0o755)
    for name, text in _CLOUD.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for name, files in seeds.items():
        write_folder(files, target / SEEDS / name)
    (target / SEEDS).chmod(0o700)


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
