"""Temperature and power of the machine, where Linux shows them in /sys; nothing where it does not.

    class/thermal/thermal_zone*/temp             thousandths of a degree; the hottest zone counts
    class/hwmon/hwmon*/name = "ina3221"          the power monitor of Jetson boards:
        in{N}_label, in{N}_input, curr{N}_input  a rail, its millivolts and milliamperes
        power{N}_input                           or its microwatts, where the driver tells

Of the rails of a board one is its input and feeds the others; where none is called so, they are added up.
"""

from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys")
_POWER_CHIPS = frozenset({"ina3221", "ina3221x", "ina219", "ina226"})
_INPUTS = ("VDD_IN", "POM_5V_IN", "VDD_INPUT", "5V_IN", "SYS_IN")  # what NVIDIA calls the input
_PLAUSIBLE_C = range(-40, 151)  # a zone that is switched off says -256 or 0


@dataclass(frozen=True, slots=True)
class Readings:
    """In degrees Celsius and in watts; None where nothing tells."""

    temperature_c: float | None
    power_w: float | None


class Sensors:
    """Reads anew at each call: a few small files."""

    def __init__(self, root: Path = SYSFS) -> None:
        self._root = root

    def read(self) -> Readings:
        return Readings(self._temperature_c(), self._power_w())

    def _temperature_c(self) -> float | None:
        zones = [_number(path) for path in self._root.glob("class/thermal/thermal_zone*/temp")]
        found = [
            zone / 1e3 for zone in zones if zone is not None and zone and round(zone / 1e3) in _PLAUSIBLE_C
        ]
        return max(found, default=None)

    def _power_w(self) -> float | None:
        rails: dict[str, float] = {}
        for chip in sorted(self._root.glob("class/hwmon/hwmon*")):
            if _text(chip / "name") in _POWER_CHIPS:
                rails |= {f"{chip.name}/{label}": watts for label, watts in _rails(chip).items()}
        for name, watts in rails.items():
            if name.rpartition("/")[2] in _INPUTS:
                return watts
        return sum(rails.values()) if rails else None


def _rails(chip: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for path in sorted(chip.glob("curr*_input")):
        number = path.name[len("curr") : -len("_input")]
        amperes, volts = _number(path), _number(chip / f"in{number}_input")
        label = _text(chip / f"in{number}_label") or number
        microwatts = _number(chip / f"power{number}_input")
        if microwatts is not None:
            found[label] = microwatts / 1e6
        elif amperes is not None and volts is not None and "sum" not in label.lower():
            found[label] = amperes * volts / 1e6
    return found


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
