"""What is laid over Debian: the agent in its slot, the bundle, units, and settings of the operating system.

    /opt/mirage/slots/a, current, committed -> slots/a
    /opt/mirage/bundles/NAME-ID8, current, committed -> NAME-ID8
    /etc/...                                units (mirage/deploy/overlay.py), clock, watchdog, boot

What makes two builds differ goes: logs, caches, host keys, the machine's id. A board makes its own.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.image.order import Identity, Order
from mirage.deploy.overlay import write_system
from mirage.deploy.release.trees import read_public_key, write_tree
from wire.release import Manifest

Run = Callable[[Sequence[str]], object]

_MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer")  # ten megabytes a day that nobody asked for
_ETC = {
    "hostname": "mirage\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "machine-id": "",
    "default/locale": "LANG=C.UTF-8\n",
    "cloud/cloud.cfg.d/99-mirage-image.cfg": "locale: C.UTF-8\napt: {preserve_sources_list: true}\n",
    "apt/sources.list": """\
deb http://deb.debian.org/debian bookworm main non-free-firmware
deb http://deb.debian.org/debian bookworm-updates main non-free-firmware
deb http://deb.debian.org/debian-security bookworm-security main non-free-firmware
""",
    "systemd/system.conf.d/mirage.conf": "[Manager]\nRuntimeWatchdogSec=30s\nRebootWatchdogSec=2min\n",
    "sysctl.d/mirage.conf": "kernel.panic = 10\n",
}
_GONE = (
    "etc/.resolv.conf.systemd-resolved.bak",  # the name servers of whoever builds
    "etc/apt/preferences.d/mirage", "etc/apt/apt.conf.d/mirage", "etc/machine-id", "etc/ssh/ssh_host_*",
    "etc/*-", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/dpkg/*-old",
    "var/lib/apt/lists/*", "var/cache/apt/*", "var/cache/debconf/*-old", "var/cache/ldconfig/aux-cache",
    "var/log/*", "tmp/*", "run/*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Laid:
    """The releases that are in the tree."""

    agent: Manifest
    bundle: Manifest


def lay_releases(order: Order, root: Path) -> Laid:
    """Lay agent and bundle into the tree of the image. Raises TreeError."""
    key = read_public_key(order.key)
    home = root / "opt/mirage"
    for folder in (home / "slots", home / "bundles"):
        folder.mkdir(parents=True)
    agent = write_tree(order.agent, home / "slots/a", key)
    partial = home / "bundles/new"
    bundle = write_tree(order.bundle, partial, key)
    name = f"{bundle.name}-{bundle.id[:8]}"
    partial.rename(home / "bundles" / name)
    for link in ("current", "committed"):
        (home / link).symlink_to("slots/a")
        (home / "bundles" / link).symlink_to(name)
    return Laid(agent, bundle)


def lay_settings(order: Order, root: Path, identity: Identity) -> None:
    """Lay units and settings of the operating system over the tree, and clear what one build left there."""
    for pattern in _GONE:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_system(order.data, root)
    fstab = f"UUID={identity.uuid('root')} / ext4 noatime,errors=remount-ro 0 1\n"
    for name, text in {**_ETC, "fstab": fstab}.items():
        path = root / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
    for unit in _MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def finish(root: Path, laid: Laid, run: Run) -> None:
    """Make the agent's user, and compile the agent: its service sees the tree read-only."""
    run(["chroot", str(root), "systemd-sysusers", "/usr/lib/sysusers.d/mirage.conf"])
    python = f"/usr/bin/python{laid.agent.python}"
    compiled = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    run(["chroot", str(root), python, *compiled, "/opt/mirage/slots/a/lib"])
    for pattern in ("etc/*-", "var/log/*"):
        for path in root.glob(pattern):
            path.unlink()


def grub_cfg(identity: Identity) -> str:
    """Say what GRUB boots: whatever kernel Debian installed last."""
    root = identity.uuid("root")
    return (
        f"search --no-floppy --fs-uuid --set=root {root}\n"
        f"linux /vmlinuz root=UUID={root} ro console=tty0 console=ttyS0,115200 panic=10\n"
        "initrd /initrd.img\n"
        "boot\n"
    )
