"""What a board is, and whether the device of the fleet file can be put onto it. Asks, changes nothing."""

import re
from dataclasses import dataclass

from mirage.deploy.boards import l4t_trouble
from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet
from mirage.deploy.provision.remote import Script
from mirage.output import printable
from wire.release import Manifest

SYSTEMD = 247  # LoadCredential; Ubuntu 22.04 has 249, Debian 12 252
SPARE_BYTES = 200 * 2**20
_ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
_L4T = re.compile(r"R(\d+) ")


@dataclass(frozen=True, slots=True)
class Board:
    """What the board said. `is_enrolled`: it has a certificate; `place` is the device that it is already."""

    machine: str
    python: str
    system: str
    l4t: str
    systemd: int
    free_bytes: int
    place: str
    is_enrolled: bool
    current: str


def asking(root: str) -> Script:
    """Give the script that asks; `root` is where the board's files begin, "" on a board."""
    return Script(
        f"""echo machine=$(uname -m)
echo python=$({root}/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
(. {root}/etc/os-release && echo "system=$ID ${{VERSION_ID-}}") || true
echo l4t=$(head -n 1 {root}/etc/nv_tegra_release 2>/dev/null || true)
echo systemd=$(systemctl --version | sed -n '1s/[^0-9]*\\([0-9]*\\).*/\\1/p')
echo free=$( (df -Pk {root}/opt 2>/dev/null || df -Pk {root}/) | awk 'NR == 2 {{ print $4 }}')
echo place=$(sed -n 's/^name = "\\(.*\\)"$/\\1/p' {root}/etc/mirage/enrolment.toml 2>/dev/null || true)
echo enrolled=$(test -s {root}/var/lib/mirage-identity/device.pem && echo yes || true)
echo current=$(readlink {root}/opt/mirage/current || true)"""
    )


def read(text: str) -> Board:
    """Read what the script printed; the board may be anybody's, so nothing in it commands a terminal."""
    lines = (printable(line) for line in text.splitlines())
    said = dict(line.partition("=")[::2] for line in lines if "=" in line)

    def number(name: str) -> int:
        value = said.get(name, "").strip()
        return int(value) if value.isdigit() else 0

    return Board(
        said.get("machine", ""), said.get("python", ""), said.get("system", ""), said.get("l4t", ""),
        number("systemd"), number("free") * 1024, said.get("place", ""), bool(said.get("enrolled")),
        said.get("current", ""),
    )  # fmt: skip


def troubles(fleet: Fleet, device: Device, board: Board, agent: Manifest, needed_bytes: int) -> list[str]:
    """Say what stands in the way."""
    found = []
    place = f"{fleet.fleet.tenant}/{device.site}/{device.id}"
    if board.place not in ("", place):
        found.append(f"this board is {board.place}, not {place}: another device's identity is on it")
    if _ARCHES.get(board.machine, board.machine) != device.kind.arch:
        found.append(f"this board is {board.machine}, {device.id} is {device.kind.arch}")
    if board.python != agent.python:
        had = board.python or "no Python"
        found.append(f"/usr/bin/python3 is {had}, the release is for {agent.python} ({board.system})")
    found += _l4t_troubles(device, board)
    if board.systemd < SYSTEMD:
        found.append(f"systemd is {board.systemd or 'not there'}, {SYSTEMD} is needed")
    if board.free_bytes < needed_bytes + SPARE_BYTES:
        free, need = board.free_bytes / 2**20, (needed_bytes + SPARE_BYTES) / 2**20
        found.append(f"{free:.0f} MiB are free in /opt, {need:.0f} are needed")
    if board.current not in ("", "slots/a"):
        found.append(f"it runs {board.current}: it was updated before, and `mirage deploy update` goes on")
    return found


def _l4t_troubles(device: Device, board: Board) -> list[str]:
    version = _L4T.search(board.l4t)
    if device.jetpack is None:
        return ["this board is a Jetson, the fleet file says it is none"] if version else []
    if version is None:
        return [f"/etc/nv_tegra_release says no version of Jetson Linux: {board.l4t!r}"]
    trouble = l4t_trouble(device.jetpack, int(version[1]))
    return [trouble] if trouble else []
