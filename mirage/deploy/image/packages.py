"""Debian's packages: which ones, from where, and the lock that names each by its hash.

    # packages of amd64                      a lock, sorted
    adduser:all=3.134=sha256:...

The image holds what it needs and no more: nothing that is only recommended, no manuals, no translations.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.boards import Arch

SUITE = "bookworm"  # its Python, 3.11, is what the agent runs on
MIRROR = "http://deb.debian.org/debian"  # packages are signed: the way need not be
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

BASE = (
    "systemd-sysv", "udev", "dbus", "kmod", "initramfs-tools", "zstd", "e2fsprogs", "python3",
    "cloud-init", "cloud-guest-utils", "fdisk",  # the seed is read, and the root grows
    "netplan.io", "iproute2", "systemd-resolved", "systemd-timesyncd", "ca-certificates",
    "wpasupplicant", "wireless-regdb",
)  # fmt: skip
ACCESS = ("openssh-server", "sudo")  # only where somebody may log in
TPM = ("tpm2-tools",)  # only where a device enrols by its TPM: 6 MB
BOOT: dict[
    Arch, tuple[str, ...]
] = {  # unpacked into the ESP, not installed; Secure Boot knows their signatures
    "amd64": ("shim-signed", "grub-efi-amd64-signed"),
    "arm64": ("shim-signed", "grub-efi-arm64-signed"),
}
LEFT_OUT = ("doc", "info", "locale", "lintian", "man")  # of /usr/share, but for the copyrights

_LINE = re.compile(r"([a-z0-9][a-z0-9+.-]*):([a-z0-9]+)=(\S+)=sha256:([0-9a-f]{64})")
_SECURITY = re.compile(r"debian-security|security\.debian\.org")
_ONE_LINE = re.compile(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)")


class PackageError(ValueError):
    """The packages are not what the lock says, or the lock is none; the message says which."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package as Debian has it; `arch` is all or that of the image."""

    name: str
    arch: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}:{self.arch}={self.version}=sha256:{self.sha256}"


def wanted(arch: Arch, more: Iterable[str], *, access: bool, tpm: bool = False) -> tuple[str, ...]:
    """List what is asked for; Debian adds what these need."""
    return (*BASE, f"linux-image-{arch}", *(ACCESS if access else ()), *(TPM if tpm else ()), *more)


def lock_text(arch: Arch, packages: Iterable[Package]) -> str:
    """Write a lock."""
    return "\n".join([f"# packages of {arch}", *map(str, sorted(packages)), ""])


def read_lock(text: str, arch: Arch, name: str) -> tuple[Package, ...]:
    """Understand a lock, or raise PackageError; `name` is that of the file."""
    lines = text.splitlines()
    if not lines or lines[0] != f"# packages of {arch}":
        raise PackageError(f"{name}: does not begin with '# packages of {arch}'")
    found = []
    for number, line in enumerate(lines[1:], 2):
        match = _LINE.fullmatch(line)
        if match is None:
            raise PackageError(f"{name}: line {number} is not NAME:ARCH=VERSION=sha256:HASH")
        found.append(Package(match[1], match[2], match[3], match[4]))
    if not found:
        raise PackageError(f"{name}: names no package")
    return tuple(found)


def check_lock(locked: Iterable[Package], found: Iterable[Package]) -> None:
    """Raise PackageError where what was fetched is not what the lock says."""
    before, now = {each.name: each for each in locked}, {each.name: each for each in found}
    changed = [
        f"{name}: {_said(before.get(name))} in the lock, {_said(now.get(name))} fetched"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if changed:
        more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise PackageError(f"not what the lock says: {'; '.join(changed[:3])}{more}")


def pins(locked: Iterable[Package]) -> str:
    """Write preferences for apt: these versions and no others, also older ones (apt_preferences(5))."""
    return "\n".join(f"Package: {p.name}\nPin: version {p.version}\nPin-Priority: 1001\n" for p in locked)


def hashed(installed: str, indexes: Iterable[str]) -> tuple[Package, ...]:
    """Look up the hash of each line `NAME VERSION ARCH` in apt's indexes, or raise PackageError."""
    hashes = dict(_hashes(indexes))
    found = []
    for line in installed.splitlines():
        name, version, arch = line.split()
        sha256 = hashes.get((name, version, arch))
        if sha256 is None:
            raise PackageError(f"{name} {version}: is in none of the lists of packages")
        found.append(Package(name, arch, version, sha256))
    return tuple(sorted(set(found)))


def sources(mirror: str, security: str) -> tuple[str, ...]:
    """Name the parts of Debian, in apt's format."""
    signed = f"[signed-by={KEYRING}]"
    return (
        f"deb {signed} {mirror} {SUITE} main non-free-firmware",
        f"deb {signed} {mirror} {SUITE}-updates main non-free-firmware",
        f"deb {signed} {security} {SUITE}-security main non-free-firmware",
    )


def own_mirror(files: Mapping[str, str]) -> str:
    """Find the mirror that this machine fetches Debian from, in its lists (name, text); else Debian's own."""
    for name, text in sorted(files.items()):
        for url in _stanzas(text) if name.endswith(".sources") else _lines(text):
            if not _SECURITY.search(url):
                return url.rstrip("/")
    return MIRROR


def security_of(mirror: str) -> str:
    """Say where security updates are: beside the packages, as at deb.debian.org and snapshot.debian.org."""
    found, count = re.subn(r"/debian(?=/|$)", "/debian-security", mirror.rstrip("/"))
    if count != 1:
        raise PackageError(f"mirror {mirror!r} has no '/debian' in it: where are its security updates?")
    return found


def _stanzas(text: str) -> Iterable[str]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = (line.partition(":") for line in stanza.splitlines() if line[:1] != "#")
        fields = {key.strip().lower(): value.split() for key, _, value in lines}
        if SUITE in fields.get("suites", []) and fields.get("uris"):
            yield fields["uris"][0]


def _lines(text: str) -> Iterable[str]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line)
        if match is not None and match[2] == SUITE:
            yield match[1]


def _hashes(indexes: Iterable[str]) -> Iterable[tuple[tuple[str, str, str], str]]:
    for index in indexes:
        fields: dict[str, str] = {}
        for line in (*index.splitlines(), ""):
            key, _, value = line.partition(": ")
            if not line and fields:
                yield (fields["Package"], fields["Version"], fields["Architecture"]), fields["SHA256"]
                fields = {}
            elif key in {"Package", "Version", "Architecture", "SHA256"}:
                fields[key] = value


def _said(package: Package | None) -> str:
    return "none" if package is None else f"{package.version} ({package.sha256[:12]})"
