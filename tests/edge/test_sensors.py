"""Temperature and power, from trees of /sys as boards have them."""

from pathlib import Path

import pytest

from edge.sensors import Readings, Sensors


def tree(root: Path, files: dict[str, str]) -> Sensors:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return Sensors(root)


ZONES = {
    "class/thermal/thermal_zone0/temp": "47250",
    "class/thermal/thermal_zone1/temp": "61800",
    "class/thermal/thermal_zone2/temp": "-256000",  # a zone that is switched off
}
ORIN = {
    "class/hwmon/hwmon0/name": "nvme",
    "class/hwmon/hwmon0/curr1_input": "99999",
    "class/hwmon/hwmon3/name": "ina3221",
    "class/hwmon/hwmon3/in1_label": "VDD_IN",
    "class/hwmon/hwmon3/in1_input": "5080",
    "class/hwmon/hwmon3/curr1_input": "1840",
    "class/hwmon/hwmon3/in2_label": "VDD_CPU_GPU_CV",
    "class/hwmon/hwmon3/in2_input": "5072",
    "class/hwmon/hwmon3/curr2_input": "520",
}


def test_the_hottest_zone_counts(tmp_path: Path) -> None:
    assert tree(tmp_path, ZONES).read() == Readings(61.8, None)


def test_the_input_of_a_board_is_its_power(tmp_path: Path) -> None:
    assert tree(tmp_path, ORIN).read().power_w == pytest.approx(5.08 * 1.84)


def test_without_an_input_rails_add_up_but_not_their_sum(tmp_path: Path) -> None:
    rails = {name: text for name, text in ORIN.items() if "in1" not in name and "curr1" not in name}
    rails |= {
        "class/hwmon/hwmon3/in3_label": "VDD_SOC", "class/hwmon/hwmon3/in3_input": "5000",
        "class/hwmon/hwmon3/curr3_input": "100", "class/hwmon/hwmon3/in7_label": "sum of shunt voltages",
        "class/hwmon/hwmon3/in7_input": "5000", "class/hwmon/hwmon3/curr7_input": "9000",
    }  # fmt: skip
    assert tree(tmp_path, rails).read().power_w == pytest.approx(5.072 * 0.52 + 0.5)


def test_a_driver_that_tells_power_is_believed(tmp_path: Path) -> None:
    files = {"class/hwmon/hwmon1/name": "ina226", "class/hwmon/hwmon1/curr1_input": "1",
             "class/hwmon/hwmon1/power1_input": "7250000"}  # fmt: skip
    assert tree(tmp_path, files).read().power_w == 7.25


@pytest.mark.parametrize("text", ["", "n/a", "999999999"])
def test_what_is_no_reading_is_none(tmp_path: Path, text: str) -> None:
    assert tree(tmp_path, {"class/thermal/thermal_zone0/temp": text}).read() == Readings(None, None)


def test_a_machine_without_sensors_has_none(tmp_path: Path) -> None:
    assert Sensors(tmp_path / "sys").read() == Readings(None, None)
