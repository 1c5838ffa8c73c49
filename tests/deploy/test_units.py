"""The units: systemd takes them, their exposure stays low, and they name what is really there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from mirage import edge_commands, export_commands
from mirage.deploy import agent_settings

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SERVICES = ["mirage-edge.service", "mirage-engines.service"]


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    command = [program, "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Give the units with programs that are here."""
    for unit in UNITS.glob("*.service"):
        text = unit.read_text("utf-8")
        for program in ("/opt/mirage/current/bin/mirage", "/usr/lib/mirage/first-boot", "/usr/bin/flock"):
            text = text.replace(program, "/bin/true")
        (tmp_path / unit.name).write_text(text, "utf-8")
    return tmp_path


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    text = (UNITS / unit).read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_has_nothing_to_say_about_the_units(units: Path) -> None:
    found = analyze("verify", *sorted(units.glob("*.service")))
    assert (found.returncode, found.stderr.strip()) == (0, "")


@pytest.mark.parametrize("unit", SERVICES)
def test_the_exposure_is_at_most_3(units: Path, unit: str) -> None:
    found = analyze("security", "--offline=true", units / unit)
    if "unrecognized option" in found.stderr:
        pytest.skip("this systemd-analyze is older than 250 and knows no --offline")
    [level] = re.findall(r"Overall exposure level for \S+ (\d+\.\d)", found.stdout)
    assert float(level) <= 3.0, found.stdout


@pytest.mark.parametrize("unit", SERVICES)
@pytest.mark.parametrize("name", ["PrivateDevices", "MemoryDenyWriteExecute", "PrivateUsers"])
def test_what_cuda_forbids_is_not_set(unit: str, name: str) -> None:
    assert name not in settings(unit)


def test_the_agent_gets_its_key_from_where_it_was_made_and_its_settings_agree() -> None:
    edge = settings("mirage-edge.service")
    assert edge["LoadCredential"] == [f"device.key:{agent_settings.IDENTITY}/device.key"]
    assert edge["ConditionPathExists"] == [f"{agent_settings.IDENTITY}/device.pem"]
    assert edge["StateDirectory"] == [Path(agent_settings.STATE).name]
    assert edge["Type"] == ["notify"]
    assert f"{agent_settings.ETC}/edge.toml" in edge["ExecStart"][0]
    assert {"char-video4linux rw", "char-drm rw"} < set(edge["DeviceAllow"])


def test_the_units_call_commands_that_there_are() -> None:
    assert "run" in get_command(edge_commands.app).commands  # type: ignore[attr-defined]
    assert "engine" in get_command(export_commands.app).commands  # type: ignore[attr-defined]
    assert "mirage edge run --config" in settings("mirage-edge.service")["ExecStart"][0]
    engines = " ".join(settings("mirage-engines.service")["ExecStart"][0].split())
    assert "flock --exclusive" in engines
    bundle = f"{agent_settings.BUNDLES}/{agent_settings.BUNDLE}"
    assert f"mirage export engine {bundle} --cache {agent_settings.STATE}/engines" in engines


def test_the_users_and_groups_of_the_units_are_made(tmp_path: Path) -> None:
    program = shutil.which("systemd-sysusers")
    if program is None:
        pytest.skip("systemd-sysusers is not installed: apt-get install systemd")
    (tmp_path / "etc").mkdir()
    config = str(UNITS / "mirage.sysusers")
    subprocess.run([program, f"--root={tmp_path}", config], check=True, capture_output=True)
    made = (tmp_path / "etc/passwd").read_text() + (tmp_path / "etc/group").read_text()
    for unit in SERVICES:
        for name in (*settings(unit)["User"], *settings(unit)["SupplementaryGroups"][0].split()):
            assert re.search(rf"^{name}:", made, re.MULTILINE), name


def test_a_restart_loop_ends() -> None:
    edge = settings("mirage-edge.service")
    burst, pause = int(edge["StartLimitBurst"][0]), int(edge["RestartSec"][0])
    assert edge["StartLimitIntervalSec"] == ["1h"]
    assert burst * (pause + int(edge["TimeoutStartSec"][0])) < 3600
