"""A board behind a fake ssh: its files lie in a folder, its shell, tar and Python are this machine's.

The connection can be lost at any call: before it, after it, or in the middle of what is sent.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mirage.deploy.fleet import load
from mirage.deploy.provision import command
from mirage.deploy.provision.remote import Done, Host
from mirage.deploy.provision.scripts import Scripts
from mirage.deploy.release.build import bundle_tree
from mirage.deploy.release.trees import write_archive
from tests.deploy.fleets import fleet_folder
from tests.deploy.release import made
from wire.bundle import Bundle
from wire.release import sign

DEVICE = "north-yard"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

_SSH = """#!/bin/sh
# ssh [-o X]... [-p N] USER@HOST -- COMMAND
while [ "$1" != -- ]; do shift; done
shift
count=$(($(cat "$BOARD/count" 2>/dev/null || echo 0) + 1))
echo $count >"$BOARD/count"
printf '%s\\n' "$1" >>"$BOARD/calls"
if [ -n "${LOST_HOW:-}" ]; then
  hash=$(printf %s "$1" | sha256sum)
  if grep -qsx "$hash" "$BOARD/cut" || { [ "$LOST_AT" != each ] && [ "$LOST_AT" != $count ]; }; then
    exec sh -c "$1"
  fi
  printf '%s\\n' "$hash" >>"$BOARD/cut"
  case $LOST_HOW in
    killed) timeout -s KILL 0.02 sh -c "$1" ;;
    before) ;;
    middle) head -c 2000 | sh -c "$1" ;;
    after) sh -c "$1" ;;
  esac
  echo "Connection to gate closed by remote host." >&2
  exit 255
fi
exec sh -c "$1"
"""
_NOTING = '#!/bin/sh\nprintf "%s\\n" "$(basename "$0") $*" >>"$BOARD/done"\n'
_SYSTEMCTL = """#!/bin/sh
if [ "$1" = --version ]; then echo "systemd ${SYSTEMD:-252} (252.22-1)"; exit; fi
printf '%s\\n' "systemctl $*" >>"$BOARD/done"
"""
_SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n'
_UNAME = '#!/bin/sh\necho "${MACHINE:-x86_64}"\n'


@dataclass
class Bench:
    """A fleet, a board, and what the technician reads (`said`)."""

    folder: Path
    file: Path
    patch: pytest.MonkeyPatch
    said: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "board"

    def job(self, device: str = DEVICE) -> command.Job:
        fleet = load(self.file)
        host = Host("admin@gate", 2222)
        return command.prepare(fleet, self.file.parent, fleet.find(device), host, Scripts(str(self.root)))

    def provision(self, device: str = DEVICE) -> None:
        self.said.clear()
        command.provision(self.job(device), self.said.append, no_bar)

    def lose(self, call: int | None, how: str) -> None:
        """Let the connection be lost at a call of ssh, counted from now on; without one, once at each."""
        self.forget_calls()
        self.patch.setenv("LOST_AT", str(call or "each"))
        self.patch.setenv("LOST_HOW", how)

    def hold(self) -> None:
        self.patch.delenv("LOST_HOW", raising=False)

    def forget_calls(self) -> None:
        for name in ("count", "calls", "done", "cut"):
            (self.folder / name).unlink(missing_ok=True)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def done(self) -> list[str]:
        path = self.folder / "done"
        return path.read_text().splitlines() if path.exists() else []

    def tree(self) -> dict[str, str]:
        """Give all that is on the board but what it came with: content, or where a link leads."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"  # noqa: PTH115
            elif path.is_file() and not name.startswith("usr/bin"):
                found[name] = f"{path.stat().st_mode & 0o777:o} {path.read_bytes()!r}"
        return found


@contextmanager
def no_bar(_what: str, _total: int) -> Iterator[Done]:
    """Show nothing."""
    yield lambda _more: None


def make(folder: Path, tiny: Path, patch: pytest.MonkeyPatch) -> Bench:
    """Make what the fleet file names for amd64, and a bare board."""
    file = fleet_folder(folder / "fleet", tiny)
    files = {**made.FILES, "lib/big.bin": bytes(range(256)) * 40}
    made.archive(folder / "fleet/release/mirage-0.1.0-amd64.tar", files)
    tree = folder / "bundle-tree"
    manifest = bundle_tree(Bundle.load(tiny, "edge"), "1", tree)
    with (folder / "fleet/release/bundle-tiny-0.1.0.tar").open("wb") as out:
        write_archive(tree, manifest, sign(manifest, made.KEY), out)
    programs = folder / "bin"
    programs.mkdir()
    for name, script in (
        ("ssh", _SSH), ("sudo", _SUDO), ("systemctl", _SYSTEMCTL), ("uname", _UNAME),
        ("systemd-sysusers", _NOTING), ("nvpmodel", _NOTING), ("udevadm", _NOTING),
    ):  # fmt: skip
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    patch.setenv("BOARD", str(folder))
    root = folder / "board"
    for name in ("usr/bin", "etc", "opt", "var/tmp"):
        (root / name).mkdir(parents=True)
    (root / "usr/bin/python3").symlink_to(sys.executable)
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    return Bench(folder, file, patch)
