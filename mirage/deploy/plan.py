"""What would be done for each device, and what stands in the way. Reads files, changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.bsp import BspError, read_bsp
from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet
from mirage.deploy.materials import MaterialError, read_materials
from mirage.deploy.release.checks import check_archive, release_key
from mirage.deploy.release.trees import TreeError
from wire.bundle import Bundle, BundleError


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """One device: what is done in which order, and what is missing for it."""

    device: str
    place: str
    board: str
    platform: str
    wave: str
    cameras: tuple[str, ...]
    steps: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All devices, wave after wave. `problems` concern the whole fleet."""

    fleet: str
    release: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    devices: tuple[DevicePlan, ...]

    @property
    def is_clear(self) -> bool:
        return not self.problems and not any(device.problems for device in self.devices)


def plan(fleet: Fleet, folder: Path) -> Plan:
    """Look at everything that the fleet file names; `folder` is that of the file."""
    waves = {wave: index for index, wave in enumerate(fleet.update.waves)}
    devices = sorted(fleet.device, key=lambda device: waves[fleet.wave_of(device)])
    return Plan(
        fleet.fleet.name,
        fleet.release.version,
        (*_bundle_problems(folder / fleet.bundle.path), *_tried(lambda: release_key(fleet, folder))),
        tuple(_notes(fleet)),
        tuple(_device_plan(fleet, device, folder) for device in devices),
    )


def release_path(fleet: Fleet, device: Device, folder: Path) -> Path | None:
    """Say which file the device gets its software from; None if the fleet file names none."""
    names = fleet.release.archives if device.kind.is_jetson else fleet.release.images
    name = names.get(device.platform)
    return None if name is None else folder / name


def bsp_path(fleet: Fleet, device: Device, folder: Path) -> Path | None:
    """Say where NVIDIA's tools for the device lie; None if the fleet file does not."""
    name = fleet.jetson.bsp.get("jetpack6" if device.jetpack == 6 else "jetpack7")
    return None if name is None else folder / name


def _device_plan(fleet: Fleet, device: Device, folder: Path) -> DevicePlan:
    return DevicePlan(
        device.id,
        f"{fleet.fleet.tenant}/{device.site}/{device.id}",
        device.kind.name,
        device.platform,
        fleet.wave_of(device),
        tuple(camera.name for camera in device.cameras),
        _steps(fleet, device),
        tuple(_problems(fleet, device, folder)),
    )


def _steps(fleet: Fleet, device: Device) -> tuple[str, ...]:
    by = f"serial {device.serial}" if device.serial else device.mac or "every device"
    if device.kind.is_jetson:
        medium = "NVMe" if device.storage == "nvme" else "the module's own storage"
        write = f"flash {medium} as {device.board_config} over USB, the seed in the root file system"
    else:
        write = "write the image to a disk, with the seed in it, and read it back"
    proof = "claim" if device.tpm is None else f"TPM {device.tpm[:16]}"
    return (
        f"seed for {by}",
        write,
        f"first boot: {device.id} makes its key and enrols at {fleet.cloud.enrolment} with its {proof}",
        f"first packet to {fleet.broker.host}:{fleet.broker.port}",
    )


def _problems(fleet: Fleet, device: Device, folder: Path) -> list[str]:
    problems = _tried(lambda: read_materials(fleet, device, folder))
    release = release_path(fleet, device, folder)
    if device.kind.is_jetson:
        problems += _tried(lambda: check_archive(fleet, device.platform, folder))
        problems += _bsp_problems(fleet, device, folder)
    elif release is None:
        problems.append(f"release.images has no {device.platform}")
    elif not release.is_file():
        made = f"`mirage deploy image --fleet FILE --arch {device.platform}` makes it"
        problems.append(f"{release}: no such file (release.images.{device.platform}): {made}")
    return problems


def _bsp_problems(fleet: Fleet, device: Device, folder: Path) -> list[str]:
    where = bsp_path(fleet, device, folder)
    if where is None:
        return [f"jetson.bsp has no jetpack{device.jetpack}"]
    return _tried(lambda: read_bsp(where).check(device))


def _tried(look: Callable[[], object]) -> list[str]:
    try:
        look()
    except (MaterialError, BspError, TreeError) as error:
        return [str(error)]
    return []


def _bundle_problems(path: Path) -> tuple[str, ...]:
    try:
        Bundle.load(path, "edge")
    except BundleError as error:
        return (str(error),)
    return ()


def _notes(fleet: Fleet) -> list[str]:
    """Say what is allowed but may not be meant."""
    notes = []
    if not fleet.access.ssh_keys:
        notes.append("access.ssh_keys is empty: nobody will be able to log in to a device")
    if not fleet.system.ntp:
        notes.append("system.ntp is empty: devices use the time servers of their operating system")
    tpms = [device.id for device in fleet.device if device.tpm is not None and device.kind.is_jetson]
    if tpms:
        notes.append(f"their TPM needs tpm2-tools, which Jetson Linux has not: {_some(tpms)}")
    nameless = [device.id for device in fleet.device if device.seed_name == "any"]
    if nameless:
        some = _some(nameless)
        notes.append(f"without serial and mac, flashed one at a time only: {some}")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
