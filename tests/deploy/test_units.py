"""The units: systemd takes them, their exposure stays low, and they name what is really there."""

import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

import pytest
from typer.main import get_command

from edge import tpm
from edge.update import wishes
from edge.update.settings import UpdateConfig
from mirage import cloud_commands, edge_commands, export_commands
from mirage.deploy import agent_settings
from mirage.deploy.overlay import write_overlay, write_system

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS, BROKER = DEPLOY / "systemd", DEPLOY / "broker"
SERVICES = ["mirage-edge.service", "mirage-engines.service"]
UPDATE = ["mirage-update.service", "mirage-update-boot.service"]  # root's, from what is known to be good
IDENTITY = ["mirage-enrol.service", "mirage-renew.service"]  # root's, as the key is


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    command = [program, "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Give the units with programs that are here."""
    kinds = [UNITS.glob(f"*.{kind}") for kind in ("service", "timer", "path")]
    for unit in [*chain.from_iterable(kinds), *BROKER.glob("*.service")]:
        text = unit.read_text("utf-8")
        mirages = ("/opt/mirage/current/bin/mirage", "/opt/mirage/committed/bin/mirage")
        for program in (*mirages, "/usr/lib/mirage/first-boot", "/usr/bin/flock"):
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
    found = analyze("verify", *sorted(units.glob("mirage-*")))
    assert (found.returncode, found.stderr.strip()) == (0, "")


@pytest.mark.parametrize("unit", [*SERVICES, *IDENTITY, *UPDATE])
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


def test_many_orders_in_an_hour_leave_the_path_unit_listening() -> None:
    update = settings("mirage-update.service")
    assert update["StartLimitIntervalSec"] == ["0"]  # a service at its limit takes its path unit down
    assert "StartLimitBurst" not in update
    assert int(update["RestartSec"][0]) >= 60


def test_the_units_call_commands_that_there_are() -> None:
    assert "run" in get_command(edge_commands.app).commands  # type: ignore[attr-defined]
    assert "engine" in get_command(export_commands.app).commands  # type: ignore[attr-defined]
    assert "mirage edge run --config" in settings("mirage-edge.service")["ExecStart"][0]
    engines = " ".join(settings("mirage-engines.service")["ExecStart"][0].split())
    assert "flock --exclusive" in engines
    bundle = f"{agent_settings.BUNDLES}/{agent_settings.BUNDLE}"
    assert f"mirage export engine {bundle} --cache {agent_settings.STATE}/engines" in engines


@pytest.mark.parametrize(("unit", "verb"), [(IDENTITY[0], "enrol"), (IDENTITY[1], "renew")])
def test_the_identity_is_made_and_renewed_where_the_agent_looks(unit: str, verb: str) -> None:
    found = settings(unit)
    assert f"mirage edge {verb} --config {agent_settings.ETC}/enrolment.toml" in found["ExecStart"][0]
    assert verb in get_command(edge_commands.app).commands  # type: ignore[attr-defined]
    assert found["StateDirectory"] == [Path(agent_settings.IDENTITY).name]
    assert found["StateDirectoryMode"] == ["0711"], "the agent, who is not root, reads the certificate"
    assert "User" not in found


def test_the_agent_waits_for_the_enrolment_and_a_refused_claim_is_not_tried_again() -> None:
    enrol = settings("mirage-enrol.service")
    assert enrol["Before"] == ["mirage-edge.service"]
    assert enrol["RestartPreventExitStatus"] == ["2"]
    assert enrol["ReadWritePaths"] == [agent_settings.ETC], "the claim is removed there"


def test_enrolment_reaches_the_tpm_and_no_other_device() -> None:
    enrol = settings("mirage-enrol.service")
    assert (enrol["DevicePolicy"], enrol["DeviceAllow"]) == (["closed"], ["/dev/tpmrm0 rw"])
    assert "PrivateDevices" not in enrol, "it would hide the TPM"
    assert tpm.DEVICE == "device:/dev/tpmrm0"


def test_the_brokers_lists_are_kept_by_a_command_that_there_is() -> None:
    text = (BROKER / "mirage-broker-sync.service").read_text("utf-8")
    assert "mirage cloud broker-sync --config" in text
    assert "broker-sync" in get_command(cloud_commands.app).commands  # type: ignore[attr-defined]


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


@pytest.mark.parametrize("unit", UPDATE)
def test_the_updater_runs_from_what_is_known_to_be_good(unit: str) -> None:
    found = settings(unit)
    command = found["ExecStart"][0]
    assert command.startswith("/opt/mirage/committed/bin/mirage edge update "), "never what is being tried"
    assert f"--config {agent_settings.ETC}/update.toml" in command
    assert ("--boot" in command) == (unit == UPDATE[1])
    assert "update" in get_command(edge_commands.app).commands  # type: ignore[attr-defined]
    assert found["ReadWritePaths"] == ["/opt/mirage"], "what the agent may write, root only reads"
    assert "User" not in found


def test_what_was_cut_off_is_settled_before_the_agent_starts_and_not_by_the_network() -> None:
    boot = settings(UPDATE[1])
    assert set(boot["Before"][0].split()) == {"mirage-edge.service", "mirage-engines.service"}
    assert boot["PrivateNetwork"] == ["yes"]
    assert UPDATE[1] in settings(UPDATE[0])["After"][0].split()
    assert settings(UPDATE[0])["Type"] == ["exec"], "a boot does not wait for a download"


def test_what_the_agent_wants_starts_the_updater() -> None:
    wanted = Path(UpdateConfig("https://localhost").wishes) / wishes.WANTED
    assert settings("mirage-update.path")["PathChanged"] == [str(wanted)]
    assert wanted.is_relative_to(agent_settings.STATE)
    assert settings(UPDATE[0])["SupplementaryGroups"] == settings("mirage-edge.service")["User"]


def test_enrolment_owns_the_tpm_whatever_debian_says(tmp_path: Path) -> None:
    """Debian's 60-tpm-udev.rules gives it to user tss; a service without rights is no other user's friend."""
    write_system(DEPLOY, tmp_path)
    [rules] = (tmp_path / "usr/lib/udev/rules.d").iterdir()
    assert rules.name > "60-tpm-udev.rules"
    [(pattern, owner)] = re.findall(r'KERNEL=="([^"]+)", OWNER="(\w+)"', rules.read_text("utf-8"))
    device, rights = settings("mirage-enrol.service")["DeviceAllow"][0].split()
    assert fnmatchcase(Path(device).name, pattern)
    assert (owner, rights) == ("root", "rw")
    assert settings("mirage-enrol.service")["CapabilityBoundingSet"] == [""]


def test_everybody_may_read_what_is_laid_over_a_jetson_but_not_its_seeds(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_overlay({"any": {"user-data": b"claim"}}, DEPLOY, tmp_path / "tree")
    finally:
        os.umask(before)
    modes = {
        path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")
    }
    assert (modes["tree/etc/cloud"], modes["tree/etc/cloud/ds-identify.cfg"]) == (0o755, 0o644)
    assert (modes["tree/usr/lib/mirage/seeds"], modes["tree/usr/lib/mirage/seeds/any/user-data"]) == (
        0o700,
        0o600,
    )
