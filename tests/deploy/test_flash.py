"""Jetsons: everything is checked before NVIDIA's tool runs, and it is called as its README says.

The tree is a fake that notes its calls; no Jetson has been flashed by these tests.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mirage.deploy.bsp import BspError, read_bsp
from mirage.deploy.flashing import FlashError, Order, Rim, chosen, flash_jetsons
from mirage.deploy.fleet import load
from mirage.deploy.jetson import host_troubles
from mirage.deploy.release.trees import TreeError
from mirage.deploy.steps import StepError
from mirage.deploy.usb import UsbError
from tests.deploy.fleets import fake_bsp, fleet_folder, plug, unplug
from tests.deploy.release import made

GOLDEN = Path(__file__).parent / "golden"
RAMP = """[[device]]
id = "north-ramp"
site = "north"
board = "orin-nano"
jetpack = 6
serial = "1421223099999"
wave = "canary"
cameras = [{ name = "ramp", source = "/dev/video0" }]

[[device]]
id = "north-yard\""""
TOOLS = ("abootimg", "sshpass", "xmllint")


@dataclass
class Bench:
    """A workstation with a fleet, a tree and USB ports. `said` is what the technician reads."""

    folder: Path
    file: Path
    bsp: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answer: str = ""

    @property
    def usb(self) -> Path:
        return self.folder / "usb"

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        text = path.read_text() if path.exists() else ""
        return [line.replace(str(self.bsp), ".") for line in text.splitlines()]

    def order(self, *devices: str, yes: str | None = None, dry_run: bool = False) -> Order:
        fleet = load(self.file)
        return Order(fleet, self.file.parent, chosen(fleet, devices, None), yes, dry_run)

    def rim(self) -> Rim:
        return Rim(
            self.said.append,
            self._ask,
            lambda *_: None,
            self.folder / "work",
            self.usb,
            100 * 2**30,
            "x86_64",
        )

    def flash(self, *devices: str, yes: str | None = None, dry_run: bool = False, massflash: int = 0) -> None:
        order = self.order(*devices, yes=yes, dry_run=dry_run)
        flash_jetsons(order, None, massflash, self.rim(), accept_license=True)

    def _ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answer


def make_release(folder: Path, version: str) -> None:
    archive = folder / "fleet/release/mirage-0.1.0-jetpack6.tar"
    made.archive(archive, {"VERSION": f"{version}\n".encode()}, platform="jetpack6")


@pytest.fixture
def bench(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    file = fleet_folder(tmp_path / "fleet", tiny, ('[[device]]\nid = "north-yard"', RAMP))
    make_release(tmp_path, "0.1.0")
    bsp = fake_bsp(tmp_path / "fleet/bsp/jetpack6/Linux_for_Tegra", tmp_path / "calls")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (*TOOLS, "sudo"):  # whoever runs the tests may be root or not
        (programs / name).write_text('#!/bin/sh\nexec "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    bench = Bench(tmp_path, file, bsp)
    plug(bench.usb, "1-4", "7523")
    plug(bench.usb, "usb1", "0002", vendor="1d6b")
    return bench


NVME = (
    "--external-device nvme0n1p1 -c tools/kernel_flash/flash_l4t_t234_nvme.xml "
    "-p -c bootloader/generic/cfg/flash_t234_qspi.xml"
)
PREPARED = [
    "./apply_binaries.sh ",
    "./tools/l4t_create_default_user.sh -u mirage-admin -n mirage --accept-license",
]
TOOL = "./tools/kernel_flash/l4t_initrd_flash.sh"


def test_one_module_is_prepared_confirmed_and_flashed(bench: Bench) -> None:
    bench.answer = "north-gate"
    bench.flash("north-gate")
    assert bench.calls() == [
        *PREPARED,
        f"{TOOL} {NVME} --showlogs --network usb0 jetson-orin-nano-devkit internal",
    ]
    assert "port 1-4: Orin Nano 8GB in recovery mode, 480 Mbit/s" in bench.said
    assert bench.asked == ["Everything on their storage will be lost. north-gate, to go on"]


def test_the_root_file_system_has_software_model_units_and_this_seed_alone(bench: Bench) -> None:
    bench.flash("north-gate", yes="north-gate")
    rootfs = bench.bsp / "rootfs"
    assert (rootfs / "opt/mirage/current/VERSION").read_text() == "0.1.0\n"
    assert (rootfs / "opt/mirage/bundles/current/bundle.toml").is_file()
    seeds = rootfs / "usr/lib/mirage/seeds"
    assert [each.name for each in seeds.iterdir()] == ["1421223012345"]
    assert seeds.stat().st_mode & 0o077 == 0
    units = rootfs / "etc/systemd/system"
    for unit in ("mirage-edge.service", "mirage-engines.service", "mirage-enrol.service"):
        assert (units / "multi-user.target.wants" / unit).resolve() == units / unit
    assert (units / "sysinit.target.wants/mirage-first-boot.service").resolve().is_file()
    assert os.access(rootfs / "usr/lib/mirage/first-boot", os.X_OK)
    assert not list(rootfs.rglob("*.key"))


def test_the_seed_of_another_device_does_not_stay(bench: Bench) -> None:
    bench.flash("north-gate", yes="north-gate")
    bench.flash("north-ramp", yes="north-ramp")
    assert [each.name for each in (bench.bsp / "rootfs/usr/lib/mirage/seeds").iterdir()] == ["1421223099999"]


def test_without_the_right_answer_nothing_is_flashed(bench: Bench) -> None:
    bench.answer = "y"
    with pytest.raises(FlashError, match="'y' is not north-gate"):
        bench.flash("north-gate")
    assert bench.calls() == []


def test_what_is_done_is_not_done_again(bench: Bench) -> None:
    bench.flash("north-gate", yes="north-gate")
    before = bench.calls()
    bench.said.clear()
    bench.flash("north-gate", yes="north-gate")
    assert bench.calls()[len(before) :] == before[-1:]
    assert "# NVIDIA's packages: done before" in bench.said


def test_after_an_interruption_it_goes_on_where_it_was(bench: Bench) -> None:
    tool = bench.bsp / "tools/l4t_create_default_user.sh"
    good = tool.read_text()
    tool.write_text("#!/bin/sh\nexit 7\n")
    with pytest.raises(StepError, match=r"exit 7: .*l4t_create_default_user.sh"):
        bench.flash("north-gate", yes="north-gate")
    assert bench.calls() == PREPARED[:1]
    tool.write_text(good)
    bench.flash("north-gate", yes="north-gate")
    assert [call.split()[0] for call in bench.calls()] == [PREPARED[0].strip(), PREPARED[1].split()[0], TOOL]


def test_a_tree_that_was_unpacked_anew_is_prepared_anew(bench: Bench) -> None:
    bench.flash("north-gate", yes="north-gate")
    (bench.bsp / "rootfs/etc/nv_tegra_release").unlink()
    bench.flash("north-gate", yes="north-gate")
    assert bench.calls()[3:5] == PREPARED


def test_a_new_release_is_installed_anew(bench: Bench) -> None:
    bench.flash("north-gate", yes="north-gate")
    make_release(bench.folder, "0.1.1")
    bench.flash("north-gate", yes="north-gate")
    assert (bench.bsp / "rootfs/opt/mirage/current/VERSION").read_text() == "0.1.1\n"


def test_a_release_that_somebody_else_signed_is_not_installed(bench: Bench) -> None:
    archive = bench.folder / "fleet/release/mirage-0.1.0-jetpack6.tar"
    made.archive(archive, key=made.OTHER, platform="jetpack6")
    with pytest.raises(TreeError, match="not of the key that signs releases"):
        bench.flash("north-gate", yes="north-gate")
    assert bench.calls() == []


def test_many_modules_get_images_first_and_are_then_flashed_at_once(bench: Bench) -> None:
    names = "north-gate,north-ramp"
    with pytest.raises(UsbError, match=r"1 modules in recovery mode .*2 to flash"):
        bench.flash("north-gate", "north-ramp", yes=names, massflash=2)
    images = f"{TOOL} --no-flash --massflash 2 --network usb0 {NVME} jetson-orin-nano-devkit internal"
    assert bench.calls() == [*PREPARED, images]
    plug(bench.usb, "1-5", "7523")
    bench.flash("north-gate", "north-ramp", yes=names, massflash=2)
    assert bench.calls()[3:] == [f"{TOOL} --flash-only --massflash 2 --network usb0 --showlogs"]
    seeds = bench.bsp / "rootfs/usr/lib/mirage/seeds"
    assert sorted(each.name for each in seeds.iterdir()) == ["1421223012345", "1421223099999"]


def test_images_for_many_are_made_with_one_module_that_says_what_it_is(bench: Bench) -> None:
    plug(bench.usb, "1-5", "7523")
    with pytest.raises(UsbError, match=r"2 modules in recovery mode .*, 1 to flash"):
        bench.flash("north-gate", "north-ramp", yes="north-gate,north-ramp", massflash=2)
    assert bench.calls() == PREPARED


def test_an_old_release_is_installed_anew_over_half_of_a_new_one(bench: Bench) -> None:
    bench.flash("north-gate", yes="north-gate")
    make_release(bench.folder, "0.1.1")
    tar = bench.folder / "bin/tar"
    tar.write_text("#!/bin/sh\nexit 2\n")
    tar.chmod(0o755)
    with pytest.raises(StepError, match="tar -xpf"):
        bench.flash("north-gate", yes="north-gate")
    tar.unlink()
    make_release(bench.folder, "0.1.0")
    bench.flash("north-gate", yes="north-gate")
    assert (bench.bsp / "rootfs/opt/mirage/current/VERSION").read_text() == "0.1.0\n"


@pytest.mark.parametrize("massflash", [0, 2])
def test_a_dry_run_prints_every_command_and_changes_nothing(bench: Bench, massflash: int) -> None:
    unplug(bench.usb)
    before = sorted(bench.bsp.rglob("*"))
    bench.flash("north-gate", *(["north-ramp"] if massflash else []), dry_run=True, massflash=massflash)
    assert (bench.calls(), sorted(bench.bsp.rglob("*"))) == ([], before)
    assert not (bench.folder / "work").exists()
    bundle = load(bench.file).bundle.path
    text = "\n".join(line.replace("sudo ", "") for line in bench.said) + "\n"
    for place, name in ((bundle, "BUNDLE"), (str(bench.bsp), "BSP"), (str(bench.folder), "HERE")):
        text = text.replace(place, name)
    golden = GOLDEN / ("massflash.txt" if massflash else "flash.txt")
    assert text == golden.read_text("utf-8"), f"if this is meant, write it to {golden.name}:\n{text}"


@pytest.mark.parametrize(
    ("devices", "massflash", "says"),
    [
        (("north-gate", "north-ramp"), 0, "--massflash says how many"),
        (("north-gate", "north-ramp"), 1, "2 devices, but --massflash 1"),
    ],
)
def test_as_many_devices_as_said(bench: Bench, devices: tuple[str, ...], massflash: int, says: str) -> None:
    with pytest.raises(FlashError, match=says):
        bench.flash(*devices, massflash=massflash)


def test_a_device_that_could_not_know_itself_is_not_flashed_among_others(bench: Bench) -> None:
    bench.file.write_text(bench.file.read_text().replace('serial = "1421223099999"\n', ""))
    with pytest.raises(FlashError, match="north-ramp: without serial or mac"):
        bench.flash("north-gate", "north-ramp", massflash=2)


def test_different_boards_are_not_flashed_at_once(bench: Bench) -> None:
    text = bench.file.read_text().replace(
        'id = "north-ramp"\nsite = "north"\nboard = "orin-nano"',
        'id = "north-ramp"\nsite = "north"\nboard = "orin-nx"',
    )
    bench.file.write_text(text)
    with pytest.raises(FlashError, match="must have the same board"):
        bench.flash("north-gate", "north-ramp", massflash=2)


def test_agx_orin_boots_from_its_nvme_or_its_own_storage(bench: Bench) -> None:
    unplug(bench.usb)
    plug(bench.usb, "2-1", "7023")
    text = bench.file.read_text().replace('board = "orin-nano"', 'board = "orin-agx"')
    bench.file.write_text(text)
    bench.flash("north-gate", yes="north-gate")
    assert bench.calls()[-1] == f"{TOOL} {NVME} --showlogs --network usb0 jetson-agx-orin-devkit external"
    bench.file.write_text(text.replace('board = "orin-agx"', 'board = "orin-agx"\nstorage = "internal"'))
    bench.flash("north-gate", yes="north-gate")
    assert bench.calls()[-1] == f"{TOOL} --showlogs --network usb0 jetson-agx-orin-devkit internal"


def no_module(bench: Bench) -> None:
    unplug(bench.usb)


def booted(bench: Bench) -> None:
    unplug(bench.usb)
    plug(bench.usb, "1-4", "7020")


def another_board(bench: Bench) -> None:
    unplug(bench.usb)
    plug(bench.usb, "1-4", "7023")


def bad_cable(bench: Bench) -> None:
    unplug(bench.usb)
    plug(bench.usb, "1-4", "7523", "12")


def too_many(bench: Bench) -> None:
    plug(bench.usb, "1-5", "7523")


def mixed(bench: Bench) -> None:
    plug(bench.usb, "1-5", "7623")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (no_module, "no Jetson in recovery mode: hold the recovery button"),
        (booted, "this Jetson has booted"),
        (another_board, "port 1-4: is a AGX Orin 64GB, north-gate is a Jetson Orin Nano"),
        (bad_cable, "port 1-4: 12 Mbit/s, not 480: take another cable"),
        (too_many, "2 modules in recovery mode .*, 1 to flash"),
        (mixed, "different modules cannot be flashed at once"),
    ],
)
def test_usb_is_looked_at_before_anything_is_done(
    bench: Bench, change: Callable[[Bench], None], says: str
) -> None:
    change(bench)
    with pytest.raises(UsbError, match=says):
        bench.flash("north-gate", yes="north-gate")
    assert bench.calls() == []


def release(text: str) -> Callable[[Path], None]:
    def write(bsp: Path) -> None:
        (bsp / "rootfs/etc/nv_tegra_release").write_text(text)

    return write


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda bsp: (bsp / TOOL).unlink(), "NVIDIA's Jetson Linux .* goes there: take 'Driver Package"),
        (
            lambda bsp: (bsp / "apply_binaries.sh").unlink(),
            "apply_binaries.sh: no such file, the tree is not",
        ),
        (lambda bsp: (bsp / "rootfs/etc/passwd").unlink(), "rootfs: is empty: sudo tar"),
        (lambda bsp: (bsp / "rootfs/usr/bin/cloud-init").unlink(), "has no cloud-init.*chroot"),
        (lambda bsp: (bsp / "jetson-orin-nano-devkit.conf").unlink(), "no such board in this tree"),
        (lambda bsp: (bsp / "tools/kernel_flash/flash_l4t_t234_nvme.xml").unlink(), "has neither"),
        (lambda bsp: (bsp / "bootloader/generic/cfg/flash_t234_qspi.xml").unlink(), "the tree is not whole"),
        (release("# R35 (release), REVISION: 4.1"), "L4T 35 is JetPack 5, JetPack 6 has L4T 36"),
        (release("# R38 (release), REVISION: 2.0"), "for Thor alone"),
        (release("# R39 (release), REVISION: 2.0"), "L4T 39 is JetPack 7, JetPack 6 has L4T 36"),
        (release("hello"), "says no version"),
    ],
)
def test_the_tree_is_looked_at_before_anything_is_done(
    bench: Bench, change: Callable[[Path], None], says: str
) -> None:
    change(bench.bsp)
    with pytest.raises(BspError, match=says):
        bench.flash("north-gate", yes="north-gate")
    assert bench.calls() == []


def test_packages_of_another_version_are_found_out_before_the_module_is_written(bench: Bench) -> None:
    tool = bench.bsp / "apply_binaries.sh"
    tool.write_text(tool.read_text().replace("R36", "R39"))
    with pytest.raises(BspError, match="L4T 39 is JetPack 7"):
        bench.flash("north-gate", yes="north-gate")
    assert not [call for call in bench.calls() if call.startswith(TOOL)]


def test_the_version_of_the_tree_is_read(bench: Bench) -> None:
    assert read_bsp(bench.bsp).label == "?"
    bench.flash("north-gate", yes="north-gate")
    assert read_bsp(bench.bsp).version == (36, 4, 4)


def test_the_licence_is_for_the_user_to_accept(bench: Bench) -> None:
    with pytest.raises(FlashError, match="--accept-nvidia-license"):
        flash_jetsons(bench.order("north-gate"), None, 0, bench.rim(), accept_license=False)
    assert bench.calls() == []


def test_without_a_release_nothing_is_flashed(bench: Bench) -> None:
    (bench.file.parent / "release/mirage-0.1.0-jetpack6.tar").unlink()
    with pytest.raises(FlashError, match="there is no release to install"):
        bench.flash("north-gate", yes="north-gate")


@pytest.mark.parametrize(
    ("free_bytes", "machine", "found", "says"),
    [
        (10 * 2**30, "x86_64", TOOLS, "10 GiB are free"),
        (100 * 2**30, "aarch64", TOOLS, "this machine is aarch64"),
        (100 * 2**30, "x86_64", TOOLS[:1], "missing: sshpass, xmllint"),
    ],
)
def test_a_workstation_that_cannot_flash_is_told_why(
    free_bytes: int, machine: str, found: tuple[str, ...], says: str
) -> None:
    assert host_troubles(100 * 2**30, "x86_64", TOOLS) == []
    [trouble] = host_troubles(free_bytes, machine, found)
    assert says in trouble


def test_too_little_space_ends_it(bench: Bench) -> None:
    rim = replace(bench.rim(), free_bytes=1)
    with pytest.raises(FlashError, match="GiB are free"):
        flash_jetsons(bench.order("north-gate"), None, 0, rim, accept_license=True)
