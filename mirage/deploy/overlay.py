"""What is laid over a root file system: that of a Jetson before it is flashed, and that of an image.

    /etc/systemd/system/mirage-*.*         units of deploy/systemd, and links that start them
    /usr/lib/sysusers.d/mirage.conf        the user that the agent runs as
    /usr/lib/mirage/first-boot             takes the device's own seed out of those below, and clears the rest
    /usr/lib/mirage/seeds/NAME/...         NAME: the device's serial, its MAC (02-00-...), or any
    /usr/lib/udev/rules.d/61-mirage-tpm.rules   enrolment may use the TPM
    /etc/cloud/...                         cloud-init looks nowhere else, and is not switched off

An image has no seeds: its partition `cidata` is for that. Of Jetsons that are flashed at once, each has the
seeds of all until its first boot: if one is lost before, the claims of all are to be withdrawn.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mirage.deploy.seed_image import write_folder

SEEDS = "usr/lib/mirage/seeds"
_WANTED = {
    "mirage-edge.service": "multi-user.target.wants",
    "mirage-engines.service": "multi-user.target.wants",
    "mirage-enrol.service": "multi-user.target.wants",
    "mirage-first-boot.service": "sysinit.target.wants",
    "mirage-renew.timer": "timers.target.wants",
    "mirage-update-boot.service": "multi-user.target.wants",
    "mirage-update.path": "paths.target.wants",
    "mirage-update.service": "multi-user.target.wants",
    "mirage-update.timer": "timers.target.wants",
}
_TEXTS = {
    "etc/cloud/cloud.cfg.d/99-mirage.cfg": "datasource_list: [NoCloud, None]\n",
    "etc/cloud/ds-identify.cfg": "policy: enabled\n",  # at its time the seed is not yet where it looks
    # Debian's tpm-udev gives it to user tss, and our services have no right that goes around owners.
    "usr/lib/udev/rules.d/61-mirage-tpm.rules": 'KERNEL=="tpmrm[0-9]*", OWNER="root"\n',
    # One network that is up is enough, and boards without any get on with it.
    "etc/systemd/system/systemd-networkd-wait-online.service.d/mirage.conf": (
        "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=30\n"
    ),
}


def write_overlay(seeds: Mapping[str, Mapping[str, bytes]], data: Path, target: Path) -> None:
    """Write the tree into `target`, which is made anew; `data` is the repository's folder deploy."""
    if target.exists():
        shutil.rmtree(target)
    with usual_modes():
        write_system(data, target)
        for name, files in seeds.items():
            write_folder(files, target / SEEDS / name)
    (target / SEEDS).chmod(0o700)


def write_system(data: Path, target: Path) -> None:
    """Write all but the seeds over a tree, which may have files already."""
    units = target / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for unit in sorted((data / "systemd").glob("mirage-*.*")):
        _copy(unit, units / unit.name, 0o644)
    for unit_name, wants in _WANTED.items():
        (units / wants).mkdir(exist_ok=True)
        (units / wants / unit_name).symlink_to(f"../{unit_name}")
    _copy(data / "systemd/mirage.sysusers", target / "usr/lib/sysusers.d/mirage.conf", 0o644)
    _copy(data / "first-boot/first-boot", target / "usr/lib/mirage/first-boot", 0o755)
    for name, text in _TEXTS.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


@contextmanager
def usual_modes() -> Iterator[None]:
    """Let everybody read what is made, whatever the umask of whoever builds."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
