"""`mirage deploy` at the command line: plans that name what is missing, and disks that are asked for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirage.deploy.disk import DiskError
from mirage.deploy.flashing import Order, Rim, flash_disk
from mirage.deploy.fleet import FleetError, load
from mirage.deploy.plan import DevicePlan, plan
from tests.deploy.fleets import EXAMPLE, fake_bsp, fleet_folder, need
from tests.deploy.release import made


def mirage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "deploy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture
def file(tmp_path: Path, tiny: Path) -> Path:
    path = fleet_folder(tmp_path, tiny)
    fake_bsp(tmp_path / "bsp/jetpack6/Linux_for_Tegra", tmp_path / "calls")
    return path


def of(path: Path, device: str) -> DevicePlan:
    made = plan(load(path), path.parent)
    return next(each for each in made.devices if each.device == device)


def test_a_plan_where_nothing_is_missing_is_clear(file: Path) -> None:
    made = plan(load(file), file.parent)
    assert made.is_clear
    assert [device.wave for device in made.devices] == ["canary", "rest"]
    assert made.notes == ("access.ssh_keys is empty: nobody will be able to log in to a device",)


def test_what_is_missing_is_said_of_the_device_that_misses_it(file: Path) -> None:
    (file.parent / "claims/north-yard.claim").unlink()
    (file.parent / "release/mirage-0.1.0-amd64.img").unlink()
    (file.parent / "bsp/jetpack6/Linux_for_Tegra/rootfs/etc/passwd").unlink()
    problems = of(file, "north-yard").problems
    assert [problem.split(": ")[1].split(" (")[0] for problem in problems] == [
        "No such file or directory",
        "no such file",
    ]
    assert "rootfs: is empty" in of(file, "north-gate").problems[0]


def test_a_device_with_a_tpm_needs_no_claim_and_tools_for_it(tmp_path: Path, tiny: Path) -> None:
    known = f'id = "north-gate"\ntpm = "{"5a" * 32}"'
    path = fleet_folder(tmp_path, tiny, ('id = "north-gate"', known))
    fake_bsp(tmp_path / "bsp/jetpack6/Linux_for_Tegra", tmp_path / "calls")
    (tmp_path / "claims/north-gate.claim").unlink()
    made = plan(load(path), tmp_path)
    assert made.is_clear
    assert "with its TPM 5a5a5a5a5a5a5a5a" in of(path, "north-gate").steps[2]
    assert "their TPM needs tpm2-tools, which Jetson Linux has not: north-gate" in made.notes


@pytest.mark.parametrize(("tpm", "says"), [("5A" * 32, "tpm"), ("5a" * 31, "tpm")])
def test_a_tpm_is_named_by_64_hexadecimal_digits(tmp_path: Path, tiny: Path, tpm: str, says: str) -> None:
    path = fleet_folder(tmp_path, tiny, ('id = "north-gate"', f'id = "north-gate"\ntpm = "{tpm}"'))
    with pytest.raises(FleetError, match=says):
        load(path)


def test_two_devices_do_not_have_one_tpm(tmp_path: Path, tiny: Path) -> None:
    same = f'\ntpm = "{"5a" * 32}"'
    changes = [(f'id = "{name}"', f'id = "{name}"{same}') for name in ("north-gate", "north-yard")]
    path = fleet_folder(tmp_path, tiny, *changes)
    with pytest.raises(FleetError, match=r"device\.tpm '5a.*' is there twice"):
        load(path)


def test_a_damaged_bundle_stands_in_the_way_of_all(tmp_path: Path, tiny: Path) -> None:
    path = fleet_folder(tmp_path, tiny, (str(tiny), "no-bundle"))
    made = plan(load(path), tmp_path)
    assert not made.is_clear
    assert "no-bundle" in made.problems[0]


def test_a_platform_without_a_release_is_named(file: Path) -> None:
    text = file.read_text("utf-8").replace("jetpack = 6", "jetpack = 7")
    file.write_text(text, "utf-8")
    archive, bsp = of(file, "north-gate").problems
    assert archive.startswith("release.archives has no jetpack7: `mirage deploy release ")
    assert bsp == "jetson.bsp has no jetpack7"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"key": made.OTHER}, "not of the key that signs releases"),
        ({"version": "0.2.0"}, "is version 0.2.0, release.version says 0.1.0"),
        ({"platform": "arm64"}, "is agent mirage for arm64, not what release.archives.jetpack6 wants"),
    ],
)
def test_an_archive_of_another_kind_is_a_problem(file: Path, options: dict[str, Any], problem: str) -> None:
    made.archive(file.parent / "release/mirage-0.1.0-jetpack6.tar", **{"platform": "jetpack6", **options})
    assert problem in of(file, "north-gate").problems[0]
    assert of(file, "north-yard").problems == ()


def test_an_archive_that_is_not_there_or_no_archive_is_a_problem(file: Path) -> None:
    archive = file.parent / "release/mirage-0.1.0-jetpack6.tar"
    archive.write_bytes(b"a tar file")
    assert "is no archive of a release" in of(file, "north-gate").problems[0]
    archive.unlink()
    assert "--platform jetpack6 -o releases` makes it" in of(file, "north-gate").problems[0]


def test_without_the_key_that_signs_releases_nothing_is_clear(file: Path) -> None:
    (file.parent / "pki/release.pub").unlink()
    found = plan(load(file), file.parent).problems
    assert "release.pub: no such file (release.key): `mirage deploy release-key` makes it" in found[0]
    file.write_text(file.read_text("utf-8").replace('key = "pki/release.pub"', ""), "utf-8")
    assert plan(load(file), file.parent).problems[0].startswith("release.key is not set")


def test_a_device_that_cannot_know_itself_is_noted(file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace('mac = "02:00:00:00:00:01"\n', ""), "utf-8")
    assert "flashed one at a time only: north-yard" in plan(load(file), file.parent).notes[-1]


def test_the_command_prints_a_plan_and_says_by_its_code_whether_it_is_clear(file: Path) -> None:
    clear = mirage("plan", "--fleet", file)
    assert (clear.returncode, clear.stderr) == (0, "")
    assert "acme/north/north-gate" in clear.stdout
    (file.parent / "claims/north-gate.claim").chmod(0o644)
    found = mirage("plan", "--fleet", file, "--json")
    assert found.returncode == 1
    [problem] = json.loads(found.stdout)["devices"][0]["problems"]
    assert "others may read it" in problem


def test_a_wrong_fleet_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(EXAMPLE.read_text("utf-8").replace('name = "acme-cameras"', 'nom = "acme"'), "utf-8")
    found = mirage("plan", "--fleet", path)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "nom" in found.stderr or "name" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name a device with --device"),
        (("--device", "north-pole"), "no device 'north-pole'"),
        (("--wave", "third"), "wave 'third': has no devices"),
        (("--device", "north-yard"), "boots from a disk: --disk says which"),
        (("--device", "north-gate", "--disk", "/dev/null"), "no image for jetpack6"),
        (("--device", "north-yard", "--seed-only", "--disk", "/dev/null"), "/dev/null"),
    ],
)
def test_what_cannot_be_flashed_is_one_line(file: Path, arguments: tuple[str, ...], says: str) -> None:
    found = mirage("flash", "--fleet", file, "--work", file.parent / "work", *arguments)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
    assert says in found.stderr


@pytest.fixture
def loop(tmp_path: Path) -> object:
    need("mkfs.vfat", "mcopy")
    target = tmp_path / "stick"
    target.write_bytes(bytes(2**20))
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    done = subprocess.run(
        ["losetup", "--find", "--show", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    yield done.stdout.strip()
    subprocess.run(["losetup", "--detach", done.stdout.strip()], check=True)


def test_a_stick_is_written_for_whoever_names_it(file: Path, loop: str) -> None:
    work = ("--work", file.parent / "work")
    order = ("flash", "--fleet", file, "--device", "north-yard", "--disk", loop, "--seed-only", *work)
    dry = mirage(*order, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert f"{loop}: no model, 0.0 GB (1048576 bytes), serial none" in dry.stdout
    assert "would write and read back" in dry.stdout
    assert Path(loop).read_bytes() == bytes(2**20)
    nobody = mirage(*order)
    assert (nobody.returncode, Path(loop).read_bytes()) == (2, bytes(2**20))
    assert "--yes NAME" in nobody.stderr
    wrong = mirage(*order, "--yes", "1234")
    assert (wrong.returncode, Path(loop).read_bytes()) == (2, bytes(2**20))
    right = mirage(*order, "--yes", f"{Path(loop).name}-1048576")
    assert right.returncode == 0, right.stderr
    assert "bytes verified" in right.stdout
    assert b"CIDATA" in Path(loop).read_bytes()


def test_a_disk_that_was_swapped_while_the_question_stood_is_left_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(2**20))
    programs = tmp_path / "bin"
    programs.mkdir()
    entry = {"name": "disk", "path": str(disk), "type": "disk", "size": 2**20, "serial": "SERIAL"}
    listing = json.dumps({"blockdevices": [entry]})
    script = f"""#!/bin/sh
cat <<END | sed "s/SERIAL/S$(cat {tmp_path}/serial)/"
{listing}
END
"""
    (programs / "lsblk").write_text(script)
    (programs / "lsblk").chmod(0o755)
    (tmp_path / "serial").write_text("1")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def swap(_question: str) -> str:
        (tmp_path / "serial").write_text("2")
        return "S1"

    fleet = load(file)
    order = Order(fleet, file.parent, (fleet.find("north-yard"),))
    said: list[str] = []
    rim = Rim(said.append, swap, lambda *_: None, tmp_path / "work")
    with pytest.raises(DiskError, match="its serial is S2, not 'S1'"):
        flash_disk(order, disk, None, rim, seed_only=True)
    assert "serial S1" in said[0]
    assert disk.read_bytes() == bytes(2**20)
    again = Rim(said.append, lambda _: "S2", lambda *_: None, tmp_path / "work")
    assert flash_disk(order, disk, None, again, seed_only=True) is not None
    assert b"CIDATA" in disk.read_bytes()
