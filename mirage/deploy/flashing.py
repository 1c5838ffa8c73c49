"""`mirage deploy flash`: one device onto a disk of this machine, or Jetsons over USB.

Whatever is about to be overwritten is shown first. Without `--yes NAME`, NAME is asked for: the serial of the
disk, or the ids of the devices that the Jetsons in recovery mode shall be.
"""

import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mirage
from mirage.deploy.bsp import read_bsp
from mirage.deploy.device import Device
from mirage.deploy.disk import Disk, find_disk
from mirage.deploy.fleet import Fleet, FleetError
from mirage.deploy.jetson import TOOLS, Job, flash_step, host_troubles, image_steps, prepare_steps
from mirage.deploy.materials import read_materials
from mirage.deploy.overlay import write_overlay
from mirage.deploy.payload import Payload, image_with_seed, only_seed
from mirage.deploy.plan import bsp_path, release_path
from mirage.deploy.release.checks import check_archive
from mirage.deploy.seed import seed_of
from mirage.deploy.seed_image import seed_image
from mirage.deploy.steps import Journal, carry_out
from mirage.deploy.usb import DEVICES, check_recovering
from mirage.deploy.writing import Progress, Written, write

DATA = Path(mirage.__file__).resolve().parent.parent / "deploy"

Say = Callable[[str], None]
Ask = Callable[[str], str]


class FlashError(ValueError):
    """It cannot be done like that; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Rim:
    """The world around: where to say things, whom to ask, and where to look."""

    say: Say
    ask: Ask
    progress: Progress
    work: Path  # notes of how far things are, and what is laid over root file systems
    usb: Path = DEVICES
    free_bytes: int | None = None  # as measured, if None
    machine: str = platform.machine()


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for. `yes` is the name that would be asked for otherwise."""

    fleet: Fleet
    folder: Path
    devices: tuple[Device, ...]
    yes: str | None = None
    dry_run: bool = False


def flash_disk(order: Order, path: Path, image: Path | None, rim: Rim, *, seed_only: bool) -> Written | None:
    """Write one device's image and seed to a disk of this machine; None after a dry run."""
    if len(order.devices) != 1:
        raise FlashError("a disk is of one device: give --device once")
    device = order.devices[0]
    seed = seed_image(seed_of(order.fleet, device, read_materials(order.fleet, device, order.folder)))
    payload = only_seed(seed) if seed_only else _with_image(order, device, image, seed)
    disk = find_disk(path)
    rim.say(str(disk))
    disk.check_free(payload.size)
    what = "the seed" if payload.image is None else f"{payload.image} and the seed"
    rim.say(f"# {what} of {device.id}, {payload.size} bytes, SHA-256 {payload.sha256()}")
    if order.dry_run:
        rim.say(f"# would write and read back {payload.size} bytes at the start of {disk.path}")
        return None
    name = _confirmed(order, disk, rim)
    now = find_disk(path)  # another one may have taken its place while the question stood
    now.check_confirmed(name)
    return write(payload, now, rim.work / "disks", rim.progress)


def flash_jetsons(order: Order, bsp: Path | None, massflash: int, rim: Rim, *, accept_license: bool) -> None:
    """Flash Jetsons that are in recovery mode; with `dry_run`, print every command instead."""
    job = _job(order, bsp, massflash, rim)
    troubles = host_troubles(
        shutil.disk_usage(job.bsp.root).free if rim.free_bytes is None else rim.free_bytes,
        rim.machine,
        [name for name in TOOLS if shutil.which(name)],
    )
    if not accept_license:
        troubles.append("NVIDIA's licence must be accepted, by you: --accept-nvidia-license")
    for trouble in troubles:
        rim.say(f"# {'would stop: ' if order.dry_run else ''}{trouble}")
    if troubles and not order.dry_run:
        raise FlashError("; ".join(troubles))
    journal = Journal(job.overlay.with_name("journal.json"))
    if not order.dry_run:
        _write_seeds(order, job)
        if not massflash:
            _confirm_jetsons(order, job, rim)  # before the long part: a bad cable is seen at once
        if job.bsp.version is None:
            journal.forget(prepare_steps(job))  # the tree was unpacked anew
    carry_out(prepare_steps(job), journal, rim.say, dry_run=order.dry_run)
    if not order.dry_run:
        read_bsp(job.bsp.root).check(job.devices[0])  # now that NVIDIA's packages say which version it is
    images, flash = image_steps(job), flash_step(job)
    if massflash and not order.dry_run:
        if not all(journal.has(step) for step in images):
            check_recovering(job.devices[:1], rim.usb)  # NVIDIA's tool asks the one module what it is
        carry_out(images, journal, rim.say, dry_run=False)
        _confirm_jetsons(order, job, rim)
        images = []
    carry_out([*images, flash], journal, rim.say, dry_run=order.dry_run)


def _job(order: Order, bsp: Path | None, massflash: int, rim: Rim) -> Job:
    first = order.devices[0]
    _check_alike(order.devices, massflash)
    where = bsp or bsp_path(order.fleet, first, order.folder)
    if where is None:
        raise FlashError(f"{first.id}: jetson.bsp has no jetpack{first.jetpack}, and there is no --bsp")
    tree = read_bsp(where.resolve())
    tree.check(first)
    release = release_path(order.fleet, first, order.folder)
    if release is None or not release.is_file():
        raise FlashError(f"{release or f'release.archives.{first.platform}'}: there is no release to install")
    check_archive(order.fleet, first.platform, order.folder, deep=True)
    return Job(
        order.devices,
        tree,
        release.resolve(),
        (order.folder / order.fleet.bundle.path).resolve(),
        rim.work.resolve() / f"jetpack{first.jetpack}" / "overlay",
        order.fleet.access.user,
        massflash,
        () if os.geteuid() == 0 else ("sudo",),
    )


def _check_alike(devices: Sequence[Device], massflash: int) -> None:
    if not massflash and len(devices) != 1:
        raise FlashError(f"{len(devices)} devices: --massflash says how many may be flashed at once")
    if massflash and len(devices) > massflash:
        raise FlashError(f"{len(devices)} devices, but --massflash {massflash}")
    if len({(each.jetpack, each.board, each.board_config, each.storage) for each in devices}) != 1:
        raise FlashError("what is flashed at once must have the same board, carrier, JetPack and storage")
    nameless = [each.id for each in devices if each.seed_name == "any"]
    if massflash and nameless:
        raise FlashError(f"{', '.join(nameless)}: without serial or mac, it would not know which it is")


def _write_seeds(order: Order, job: Job) -> None:
    seeds = {
        each.seed_name: seed_of(order.fleet, each, read_materials(order.fleet, each, order.folder))
        for each in job.devices
    }
    if not (DATA / "systemd").is_dir():
        raise FlashError(f"{DATA}: is not there: run this from a clone of the repository")
    write_overlay(seeds, DATA, job.overlay)


def _with_image(order: Order, device: Device, image: Path | None, seed: bytes) -> Payload:
    found = image or release_path(order.fleet, device, order.folder)
    if found is None or device.kind.is_jetson:
        raise FlashError(f"{device.id}: no image for {device.platform}: --image, or release.images")
    return image_with_seed(found, seed)


def _confirmed(order: Order, disk: Disk, rim: Rim) -> str:
    asked = f"Everything on {disk.path} will be lost. Its serial ({disk.name_to_confirm}), to go on"
    name = order.yes if order.yes is not None else rim.ask(asked)
    disk.check_confirmed(name)
    return name


def _confirm_jetsons(order: Order, job: Job, rim: Rim) -> None:
    for each in check_recovering(job.devices, rim.usb):
        rim.say(f"port {each.port}: {each.module.name} in recovery mode, {each.mbps:g} Mbit/s")
    name = ",".join(each.id for each in job.devices)
    said = order.yes
    if said is None:
        said = rim.ask(f"Everything on their storage will be lost. {name}, to go on")
    if said != name:
        raise FlashError(f"{said!r} is not {name}: nothing was flashed")


def chosen(fleet: Fleet, names: Sequence[str], wave: str | None) -> tuple[Device, ...]:
    """Give the devices that were named, or those of a wave. Raises FleetError."""
    if wave is None:
        return tuple(fleet.find(name) for name in names)
    found = tuple(device for device in fleet.device if fleet.wave_of(device) == wave)
    if names or not found:
        raise FleetError(f"wave {wave!r}: {'name devices or a wave' if names else 'has no devices'}")
    return found
