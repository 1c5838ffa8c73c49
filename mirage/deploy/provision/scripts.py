"""What is done on a board, step by step. Each step can be cut off anywhere and done again.

work       /opt/mirage/provision         archives as far as they have come; goes in the end
release    /opt/mirage/slots/a           unpacked beside, compiled, then renamed; then the links
bundle     /opt/mirage/bundles/NAME-ID8  likewise
units      /etc/systemd/system, sysusers
settings   /etc/mirage
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.provision.remote import Script
from wire.release import Manifest

HOME = "/opt/mirage"
WORK = f"{HOME}/provision"  # not /var/tmp: who has made the folder there first could swap what was verified


@dataclass(frozen=True, slots=True)
class Archive:
    """A release as a file: what it is, how long, and its SHA-256, by which it is named on the board."""

    path: Path
    manifest: Manifest
    bytes: int
    sha256: str

    @property
    def is_agent(self) -> bool:
        return self.manifest.kind == "agent"

    @property
    def folder(self) -> str:
        """Where it lies below /opt/mirage."""
        name = f"bundles/{self.manifest.name}-{self.manifest.id[:8]}"
        return "slots/a" if self.is_agent else name


@dataclass(frozen=True, slots=True)
class Scripts:
    """For a board whose files begin at `root`: "" but in tests."""

    root: str = ""

    def has(self, archive: Archive, document_sha256: str) -> Script:
        """Print yes where it is unpacked, and its links lead there."""
        home, place = f"{self.root}{HOME}", archive.folder
        base = home if archive.is_agent else f"{home}/bundles"
        link = place if archive.is_agent else place.removeprefix("bundles/")
        return Script(
            f"""cd {home}/{place} 2>/dev/null || exit 0
echo "{document_sha256}  release.json" | sha256sum --check --status || exit 0
test "$(readlink {base}/current)" = {link} || exit 0
test "$(readlink {base}/committed)" = {link} && echo yes"""
        )

    def size(self, archive: Archive) -> Script:
        """Print how many bytes of it are there."""
        file = self._file(archive)
        return Script(
            f"""install -d -m 700 {self.root}{WORK}
test ! -e {file} || stat -c %s {file}"""
        )

    def append(self, archive: Archive) -> Script:
        """Take more of it."""
        return Script(f"cat >>{self._file(archive)}")

    def unpack(self, archive: Archive) -> Script:
        """Check it, unpack it beside its place, compile it, and put it there with its links."""
        home, file, place = f"{self.root}{HOME}", self._file(archive), archive.folder
        target = f"{home}/{place}"
        base = home if archive.is_agent else f"{home}/bundles"
        link = place if archive.is_agent else place.removeprefix("bundles/")
        python = f"{self.root}/usr/bin/python3"
        compiled = (
            f"{python} -I -m compileall -q --invalidation-mode unchecked-hash {target}.new/lib\n"
            if archive.is_agent
            else ""
        )
        return Script(
            f"""echo "{archive.sha256}  {file}" | sha256sum --check --status || {{
  rm -f {file}; echo {shlex.quote(f"{archive.path.name} arrived damaged")} >&2; exit 1; }}
install -d -m 755 {home} {home}/slots {home}/bundles
rm -rf {target}.new
install -d -m 755 {target}.new
tar -xpf {file} --no-same-owner -C {target}.new
{compiled}sync -f {target}.new
rm -rf {target}
mv -T {target}.new {target}
for each in current committed; do
  ln -sfn {link} {base}/$each.new
  mv -T {base}/$each.new {base}/$each
done
sync -f {base}"""
        )

    def lay(self) -> Script:
        """Take files, as a tar archive."""
        return Script(f"umask 022; tar -xpf - --no-same-owner --no-overwrite-dir -C {self.root}/")

    def user(self) -> Script:
        """Make the agent's user, let systemd read the units and udev its rule."""
        return Script(
            f"""systemd-sysusers {self.root}/usr/lib/sysusers.d/mirage.conf
systemctl daemon-reload
udevadm control --reload
udevadm trigger --subsystem-match=tpmrm"""
        )

    def start(self, commands: list[list[str]]) -> Script:
        """Do what a seed would have done at the first boot, and take up settings that are new."""
        lines = [shlex.join(command) for command in commands]
        return Script("\n".join([*lines, "systemctl try-restart --no-block mirage-edge.service"]))

    def clean(self) -> Script:
        """Remove what was brought here only to be unpacked."""
        return Script(f"rm -rf {self.root}{WORK}")

    def _file(self, archive: Archive) -> str:
        return f"{self.root}{WORK}/{archive.sha256[:32]}.tar"
