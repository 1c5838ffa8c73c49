"""Flashing Jetsons: NVIDIA's l4t_initrd_flash.sh, with everything around it checked and done first.

    apply_binaries.sh        NVIDIA's packages into the root file system, once
    default user             so that no first-boot dialogue waits for a keyboard; its password is nobody's
    release, bundle, overlay software, model, units and seeds into the root file system
    l4t_initrd_flash.sh      one module; or with --massflash N, images first, then up to N modules at once

Not seen running here: there is no Jetson on the machine where this was written. It follows NVIDIA's
README_initrd_flash.txt (workflows 4 and 7).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.bsp import APPLY, FLASH, QSPI, USER, Bsp
from mirage.deploy.device import Device
from mirage.deploy.steps import Step

FREE_BYTES = 30 * 2**30  # the tool builds file systems and archives of them beside the root file system
SLOT = "opt/mirage/slots/a"
BUNDLES = "opt/mirage/bundles"
_NVME = "nvme0n1p1"
TOOLS = ("sshpass", "abootimg", "xmllint")  # some of what tools/l4t_flash_prerequisites.sh installs


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be flashed, with which tree and which files; `massflash` is 0 for one module."""

    devices: tuple[Device, ...]
    bsp: Bsp
    release: Path
    bundle: Path
    overlay: Path
    user: str
    massflash: int = 0
    as_root: tuple[str, ...] = ("sudo",)


def prepare_steps(job: Job) -> list[Step]:
    """Say what makes the root file system ready."""
    root, rootfs = job.bsp.root, job.bsp.rootfs
    run = job.as_root
    license_ = (*run, f"./{USER}", "-u", job.user, "-n", "mirage", "--accept-license")
    slot, bundles = rootfs / SLOT, rootfs / BUNDLES
    return [
        Step("NVIDIA's packages", ((*run, f"./{APPLY}"),), folder=root),
        Step("a user without a known password", (license_,), folder=root),
        Step(
            "release",
            (
                (*run, "rm", "-rf", str(slot)),
                (*run, "install", "-d", "-m", "755", str(slot)),
                (*run, "tar", "-xpf", str(job.release), "--no-same-owner", "-C", str(slot)),
                (*run, "ln", "-sfn", "slots/a", str(rootfs / "opt/mirage/current")),
                (*run, "ln", "-sfn", "slots/a", str(rootfs / "opt/mirage/committed")),
            ),
            (digest_of([job.release]),),
        ),
        Step(
            "bundle",
            (
                (*run, "rm", "-rf", str(bundles)),
                (*run, "install", "-d", "-m", "755", str(bundles)),
                (*run, "cp", "-rL", "--preserve=mode", str(job.bundle), str(bundles / job.bundle.name)),
                (*run, "ln", "-sfn", job.bundle.name, str(bundles / "current")),
                (*run, "ln", "-sfn", job.bundle.name, str(bundles / "committed")),
            ),
            (digest_of(sorted(job.bundle.rglob("*"))),),
        ),
        Step(
            "seeds and units",
            (
                (*run, "rm", "-rf", str(rootfs / "usr/lib/mirage")),
                (*run, "cp", "-rP", "--preserve=mode,links", f"{job.overlay}/.", str(rootfs)),
            ),
            (digest_of(sorted(job.overlay.rglob("*"))),),
        ),
    ]


def image_steps(job: Job) -> list[Step]:
    """Say what makes the images for many modules; one of them, and no other, must be in recovery mode."""
    if not job.massflash:
        return []
    device = job.devices[0]
    storage, board = _storage(job.bsp, device), (device.board_config, _rootdev(device))
    command = (*job.as_root, f"./{FLASH}", "--no-flash", *_many(job), *storage, *board)
    # The images are made of the root file system, so they depend on all that went into it.
    inputs = tuple(value for step in prepare_steps(job) for value in step.inputs)
    return [Step("images for many", (command,), inputs, folder=job.bsp.root)]


def flash_step(job: Job) -> Step:
    """Say what writes the modules, which must be in recovery mode."""
    device = job.devices[0]
    if job.massflash:
        what: tuple[str, ...] = ("--flash-only", *_many(job), "--showlogs")
    else:
        storage, board = _storage(job.bsp, device), (device.board_config, _rootdev(device))
        what = (*storage, "--showlogs", "--network", "usb0", *board)
    names = ", ".join(each.id for each in job.devices)
    return Step(f"flash {names}", ((*job.as_root, f"./{FLASH}", *what),), once=False, folder=job.bsp.root)


def host_troubles(free_bytes: int, machine: str, found: Iterable[str]) -> list[str]:
    """Say what keeps this workstation from flashing; `found` are programs that it has."""
    troubles = []
    if machine != "x86_64":
        troubles.append(f"this machine is {machine}: NVIDIA's flashing tools run on x86-64 only")
    if free_bytes < FREE_BYTES:
        free, need = free_bytes / 2**30, FREE_BYTES / 2**30
        troubles.append(f"{free:.0f} GiB are free beside the Jetson Linux tree, {need:.0f} are needed")
    missing = sorted(set(TOOLS) - set(found))
    if missing:
        troubles.append(f"missing: {', '.join(missing)}: sudo tools/l4t_flash_prerequisites.sh installs them")
    return troubles


def digest_of(paths: Sequence[Path]) -> str:
    """Say in 16 characters what these files and links are; another content is another digest."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path}\0".encode())
        if path.is_symlink():
            digest.update(str(path.readlink()).encode())
        elif path.is_file():
            with path.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
    return digest.hexdigest()[:16]


def _many(job: Job) -> tuple[str, ...]:
    return ("--massflash", str(job.massflash), "--network", "usb0")


def _storage(bsp: Bsp, device: Device) -> tuple[str, ...]:
    if device.storage == "internal":
        return ()
    nvme = ("--external-device", _NVME, "-c", bsp.layout())
    return (*nvme, "-p", f"-c {QSPI}")  # firmware into the module, everything else onto the NVMe


def _rootdev(device: Device) -> str:
    """Say which root device NVIDIA documents: AGX Orin has an eMMC, Orin Nano and NX have none."""
    return "external" if device.storage == "nvme" and device.board == "orin-agx" else "internal"
