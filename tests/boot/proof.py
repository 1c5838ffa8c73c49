"""From a bare disk to the first packet, an update, two that fail, power cuts, and a TPM: nobody helps.

    scripts/test --boot            needs root, and minutes; with KVM fewer
    scripts/test --boot -k image   only builds it, twice, and says whether both are the same

The image is built, a seed laid in, the machine switched on. What was measured is printed as JSON at the end,
and written to out/boot.json after each step. Steps build on each other: after a failure the rest is skipped.
"""

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mirage.deploy.image.build import TOOLS
from mirage.deploy.image.packages import KEYRING
from mirage.deploy.tools import tool
from tests.boot import machine, releases
from tests.boot.differences import compare
from tests.boot.elsewhere import elsewhere
from tests.boot.fleet import YARD, YARD_WITH_TPM, make_fleet, write_disk
from tests.boot.machine import Machine
from tests.boot.stage import ROOT, Stage, camera, mirage, wait_until
from tests.tpms import software_tpm

SEED = 20_261_129
CUTS = 5
ENDS = {"committed", "failed"}
WISHES = ("--arch", "amd64", "--include", "tpm2-tools")
BOOT_S, UPDATE_S = 1500.0, 2400.0  # generous: an emulated machine on a busy host

pytestmark = pytest.mark.timeout(4 * 3600)


class World:
    """Stage, fleet, releases and the machine; `record` keeps what is measured."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        bundle = ROOT / "models/tiny"
        self.stage = Stage(folder, bundle)
        self.fleet = make_fleet(self.stage, bundle, url)
        self.releases = folder / "releases"
        self.measured: dict[str, object] = {
            "machine": f"{os.cpu_count()} cores, {machine.accelerator()}",
            "revision": _revision(),
        }
        self.machine = Machine(folder / "disk.img", folder / "console.log", YARD.serial, YARD.mac)
        self.archives: dict[str, Path] = {}
        self.ids: dict[str, str] = {}
        self.broken_off = ""

    def make(self, version: str, *bases: str) -> None:
        """Release this working tree; devices that have one of `bases` fetch little."""
        with pytest.MonkeyPatch.context() as patch:
            releases.quickly(patch)
            old = [self.archives[each] for each in bases]
            archive, self.ids[version] = releases.good(self.fleet.file, self.releases, version, *old)
        self.archives[version] = archive

    def spoil(self, version: str, base: str, changes: Mapping[str, str]) -> None:
        """Release what is broken."""
        with pytest.MonkeyPatch.context() as patch:
            releases.quickly(patch)
            made = releases.broken(self.folder, self.archives[base], self.releases, version, changes)
        self.ids[version] = made

    def record(self, **values: object) -> None:
        self.measured |= {name: round(x, 1) if isinstance(x, float) else x for name, x in values.items()}
        self.measured["load"] = round(os.getloadavg()[0], 1)
        (ROOT / "out").mkdir(exist_ok=True)
        (ROOT / "out/boot.json").write_text(json.dumps(self.measured, indent=1) + "\n", "utf-8")

    def why(self) -> str:
        """Say what `mirage deploy status` gives as the reason of a failure."""
        known = ["--fleet", self.fleet.file, "--config", self.stage.config]
        [device] = json.loads(mirage("deploy", "status", *known, "--json"))["devices"]
        return str(device["why"])

    def update(self, version: str) -> None:
        """Order a release, and do not wait."""
        known = ["--fleet", self.fleet.file, "--config", self.stage.config, "--yes", "--detach"]
        mirage("deploy", "update", *known, "--release", self.releases / self.ids[version])

    def wait_for_packets(self, more: int = 1) -> float:
        """Wait until the cloud has stored so many more of them."""
        before = self.stage.packets(YARD.name)
        return wait_until(lambda: self.stage.packets(YARD.name) >= before + more, "another packet", BOOT_S)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    _need_everything()
    folder = tmp_path_factory.mktemp("boot")
    with camera(folder) as url:
        made = World(folder, url)
        made.stage.start()
        try:
            yield made
        finally:
            made.machine.cut()
            made.stage.stop()
            print(json.dumps(made.measured))  # noqa: T201 (what this is for)


@pytest.fixture(autouse=True)
def in_order(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    if world.broken_off:
        pytest.skip(f"{world.broken_off} did not end well")
    world.broken_off = str(request.node.name)
    yield
    if not request.session.testsfailed:
        world.broken_off = ""


def test_an_image_is_built(world: World) -> None:
    began_s = time.monotonic()
    world.make("0.1.0")
    releases.bundle(world.fleet.file, world.releases)
    world.record(release_s=time.monotonic() - began_s)
    began_s = time.monotonic()
    work = ["--work", ROOT / "out/deploy/image-amd64"]
    lock = ROOT / "out/boot.lock"
    locked = ["--lock", lock] if lock.exists() else []
    mirage("deploy", "image", "--fleet", world.fleet.file, *WISHES, *work, *locked)
    image = world.folder / "mirage.img"
    world.record(image_s=time.monotonic() - began_s, image_bytes=image.stat().st_size, locked=bool(locked))
    lock.write_bytes((world.folder / "mirage.img.lock").read_bytes())


def test_it_boots_enrols_and_its_first_packet_is_stored(world: World) -> None:
    write_disk(world.fleet, world.folder / "mirage.img", world.machine.disk)
    began_s = time.monotonic()
    world.machine.start()
    world.record(enrolled_s=wait_until(world.stage.enrolled, "an enrolled device", BOOT_S))
    wait_until(lambda: world.stage.packets(YARD.name), "a packet", BOOT_S)
    world.record(first_packet_s=time.monotonic() - began_s)
    assert "fsck not present" not in world.machine.log.read_text("utf-8", "replace")


def test_it_comes_back_after_a_power_cut(world: World) -> None:
    world.machine.cut()
    world.machine.start()
    world.record(second_boot_s=world.wait_for_packets())


def test_an_update_is_fetched_tried_and_kept(world: World) -> None:
    world.make("0.2.0", "0.1.0")
    world.update("0.2.0")
    taken_s = wait_until(lambda: world.stage.updated() == "committed", "a kept update", UPDATE_S)
    world.record(update_s=taken_s)
    assert world.stage.software().endswith(world.ids["0.2.0"][:8])


@pytest.mark.parametrize(
    ("version", "changes"), [("0.3.0", releases.DEAD), ("0.4.0", releases.DEAF)], ids=["dead", "deaf"]
)
def test_a_release_that_does_not_work_is_undone(
    world: World, version: str, changes: Mapping[str, str]
) -> None:
    world.spoil(version, "0.2.0", changes)
    world.update(version)
    taken_s = wait_until(lambda: world.stage.updated() == "failed", "an undone update", UPDATE_S)
    world.record(**{f"undone_{version}_s": taken_s, f"undone_{version}": world.why()})
    world.wait_for_packets()
    assert world.stage.software().endswith(world.ids["0.2.0"][:8])


def test_updates_survive_power_cuts_at_any_time(world: World) -> None:
    """Five cuts while an update is on, at times drawn from a seed; each time the machine comes back."""
    chance, base, number = random.Random(SEED), "0.2.0", 0
    back: list[dict[str, object]] = []
    while len(back) < CUTS:
        if world.stage.updated() in ENDS:
            number += 1
            world.make(f"0.5.{number}", base)
            base = f"0.5.{number}"
            world.update(base)
        after_s = chance.uniform(1, float(str(world.measured["update_s"])))
        if _ends_within(world, after_s):
            continue  # with nothing to cut: the next one
        state = world.stage.told()
        world.machine.cut()
        world.machine.start()
        back_s = round(world.wait_for_packets(), 1)
        back.append({"update": base, "after_s": round(after_s, 1), "state": state, "back_s": back_s})
        world.record(cuts=back, seed=SEED)
    wait_until(lambda: world.stage.updated() in ENDS, "an end", UPDATE_S)
    world.record(after_cuts=world.stage.updated())
    world.wait_for_packets()


def _ends_within(world: World, seconds: float) -> bool:
    """Tell whether an update comes to its end in that time."""
    until_s = time.monotonic() + seconds
    while (ended := world.stage.updated() in ENDS) is False and time.monotonic() < until_s:
        time.sleep(0.25)
    return ended


def test_a_board_with_a_tpm_enrols_without_a_claim(world: World) -> None:
    state = world.folder / "tpm"
    state.mkdir()
    with software_tpm(state) as tcti:
        said = mirage("edge", "tpm", "--tcti", tcti)
    tpm, board = said.split('"')[1], YARD_WITH_TPM
    fleet = make_fleet(world.stage, ROOT / "models/tiny", world.url, board, tpm=tpm)
    machine = Machine(world.folder / "tpm.img", world.folder / "tpm.log", board.serial, board.mac, tpm=state)
    write_disk(fleet, world.folder / "mirage.img", machine.disk)
    world.machine.cut()
    began_s = time.monotonic()
    machine.start()
    try:
        wait_until(lambda: world.stage.packets(board.name), "a packet of the board with a TPM", BOOT_S)
    finally:
        machine.cut()
    world.record(tpm_first_packet_s=time.monotonic() - began_s)


def test_an_image_of_packages_installed_anew_is_the_same(world: World) -> None:
    """Another host name, resolv.conf, time zone, language, umask, folder; the same lock and releases."""
    first, again = world.folder / "mirage.img", world.folder / "again.img"
    began_s = time.monotonic()
    lock = ["--lock", world.folder / "mirage.img.lock", "--work", world.folder / "again", "--output", again]
    try:
        mirage("deploy", "image", "--fleet", world.fleet.file, *WISHES, *lock, within=elsewhere(world.folder))
    except AssertionError as error:
        if world.measured["locked"] and "not what the lock says" in str(error):
            pytest.skip("the mirror has other packages since: remove out/boot.lock, and run it again")
        raise
    found = compare(first, again)
    print("", *found.lines(), sep="\n")  # noqa: T201 (what this is for)
    world.record(again_s=time.monotonic() - began_s, sha256=found.first, again_sha256=found.second)
    assert found.is_same
    for suffix in (".lock", ".cdx.json"):
        beside = [image.with_name(image.name + suffix).read_text("utf-8") for image in (first, again)]
        assert beside[0] == beside[1]


def _need_everything() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root builds images")
    missing = [
        name for name in (*TOOLS, "ffmpeg", "mosquitto", "swtpm", "tpm2_createek") if not _is_there(name)
    ]
    missing += machine.missing() + ([] if KEYRING.is_file() else ["debian-archive-keyring"])
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def _is_there(name: str) -> bool:
    try:
        tool(name)
    except RuntimeError:
        return False
    return True


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
