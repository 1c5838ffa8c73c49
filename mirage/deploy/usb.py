"""Jetsons in recovery mode on this machine's USB, as the kernel lists them (lsusb reads the same)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.boards import NVIDIA, Module, module_of
from mirage.deploy.device import Device

DEVICES = Path("/sys/bus/usb/devices")
FULL_MBPS = 480  # recovery mode is USB 2; less is a bad cable or hub
_HOW = "hold the recovery button (or bridge FC REC and GND) while it gets power"
BOOTED = frozenset({"7020", "7035"})  # NVIDIA's ids of a Jetson whose system is up


class UsbError(ValueError):
    """No fitting Jetson is in recovery mode; the message says what was seen and what to do."""


@dataclass(frozen=True, slots=True)
class Recovering:
    """One module in recovery mode; `port` is such as 1-4.2."""

    port: str
    module: Module
    mbps: float


def recovering(devices: Path = DEVICES) -> tuple[Recovering, ...]:
    """List the modules in recovery mode."""
    found = []
    for port, product, mbps in _nvidia(devices):
        module = module_of(product)
        if module is not None:
            found.append(Recovering(port, module, mbps))
    return tuple(found)


def check_recovering(wanted: Sequence[Device], devices: Path = DEVICES) -> tuple[Recovering, ...]:
    """Give the modules to flash, or raise UsbError where they are not as many, or not of that kind."""
    found = recovering(devices)
    if not found:
        raise UsbError(_nothing(devices))
    kind = wanted[0].kind
    for each in found:
        if each.module not in kind.modules:
            raise UsbError(f"port {each.port}: is a {each.module.name}, {wanted[0].id} is a {kind.name}")
        if each.mbps < FULL_MBPS:
            raise UsbError(
                f"port {each.port}: {each.mbps:g} Mbit/s, not {FULL_MBPS}: take another cable, and no hub"
            )
    if len({each.module for each in found}) > 1:
        names = ", ".join(f"{each.port} {each.module.name}" for each in found)
        raise UsbError(f"different modules cannot be flashed at once: {names}")
    if len(found) != len(wanted):
        ports = ", ".join(each.port for each in found)
        raise UsbError(f"{len(found)} modules in recovery mode (ports {ports}), {len(wanted)} to flash")
    return found


def _nothing(devices: Path) -> str:
    booted = [port for port, product, _ in _nvidia(devices) if product in BOOTED]
    if booted:
        return f"port {booted[0]}: this Jetson has booted: {_HOW}"
    return f"no Jetson in recovery mode: {_HOW}, on the USB port for flashing, with a cable that carries data"


def _nvidia(devices: Path) -> list[tuple[str, str, float]]:
    found = []
    for device in sorted(devices.iterdir()) if devices.is_dir() else []:
        if _read(device / "idVendor") == NVIDIA:
            speed = _read(device / "speed")
            found.append((device.name, _read(device / "idProduct"), float(speed or 0)))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:  # interfaces have none, and a device may vanish
        return ""
