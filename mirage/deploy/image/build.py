"""`mirage deploy image`: Debian, what is laid over it, file systems, the disk; and beside it what it is.

    IMAGE.img           the disk
    IMAGE.img.sha256    its SHA-256, which `mirage deploy flash` checks
    IMAGE.img.lock      Debian's packages, each with version and SHA-256: `--lock` wants the same again
    IMAGE.img.cdx.json  everything that is in it (CycloneDX)

Nothing is mounted here but in a mount namespace of its own, which ends with the program in it.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mirage.deploy.image import packages as debian
from mirage.deploy.image.layout import DATA, ESP, MIB, ROOT, Layout, Part
from mirage.deploy.image.order import Identity, Order, identity
from mirage.deploy.image.sbom import sbom
from mirage.deploy.image.tree import finish, grub_cfg, lay_releases, lay_settings
from mirage.deploy.image.volumes import ext4, ext4_size, run, vfat
from mirage.deploy.overlay import usual_modes
from mirage.deploy.seed_image import LABEL
from mirage.deploy.tools import ToolError, tool
from mirage.output import write_whole

FREE_BYTES = 6 * 2**30
ESP_BYTES, SEED_BYTES, SPARE_BYTES = 64 * MIB, 4 * MIB, 256 * MIB
TOOLS = (
    "chroot", "debugfs", "dumpe2fs", "mcopy", "mkfs.vfat", "mke2fs", "mmd", "mmdebstrap", "tar", "unshare",
)  # fmt: skip
_LOADERS = {  # where Debian's packages have them, where firmware looks; arch: (shim, GRUB)
    "amd64": ("shimx64.efi.signed", "x86_64-efi-signed/grubx64.efi.signed", "BOOTX64.EFI", "grubx64.efi"),
    "arm64": ("shimaa64.efi.signed", "arm64-efi-signed/grubaa64.efi.signed", "BOOTAA64.EFI", "grubaa64.efi"),
}
_QEMU = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_INITRAMFS = "/etc/initramfs-tools/conf.d"
_BINFMT = Path("/proc/sys/fs/binfmt_misc")

Say = Callable[[str], None]


class ImageError(RuntimeError):
    """No image can be made here; the message says what is missing."""


def troubles(order: Order, free_bytes: int, machine: str) -> list[str]:
    """Say what stands in the way on this machine, which is such a `machine` with so much room."""
    found = [] if os.geteuid() == 0 else ["only root can install packages into a tree: sudo"]
    missing = sorted(name for name in TOOLS if not _is_there(name))
    if missing:
        found.append(f"missing: {', '.join(missing)}: apt-get install mmdebstrap e2fsprogs dosfstools mtools")
    if not debian.KEYRING.is_file():
        found.append(f"{debian.KEYRING}: no such file: apt-get install debian-archive-keyring")
    if machine != _MACHINES[order.arch] and not (_BINFMT / _QEMU[order.arch]).exists():
        found.append(
            f"this machine is {machine} and runs no {order.arch} programs: "
            "apt-get install qemu-user-static binfmt-support"
        )
    if free_bytes < FREE_BYTES:
        free, need = free_bytes / 2**30, FREE_BYTES / 2**30
        found.append(f"{order.work}: {free:.1f} GiB are free, {need:.0f} are needed")
    found += [f"{path}: no such file" for path in (order.agent, order.bundle, order.key) if not path.exists()]
    return found


def build(order: Order, say: Say) -> Path:
    """Build the image, and give its path. Raises ImageError and those of the parts."""
    order.work.mkdir(parents=True, exist_ok=True)
    found = troubles(order, shutil.disk_usage(order.work).free, platform.machine())
    if found:
        raise ImageError("; ".join(found))
    installed = _packages(order, say)
    with _folder(order.work / "building") as folder:
        say("# what is laid over them")
        root = folder / "root"
        with usual_modes():
            _unpack(order, root)
            laid = lay_releases(order, root)
            ids = identity(order, installed, (laid.agent.id, laid.bundle.id))
            lay_settings(order, root, ids)
            finish(root, laid, lambda command: run(command, order.epoch_s))
        say("# file systems")
        volumes = _volumes(order, root, folder, ids)
        document = sbom(order, ids, installed, laid, root)
        shutil.rmtree(root)
        say("# disk")
        partial = order.target.with_name(f".{order.target.name}.partial")
        order.target.parent.mkdir(parents=True, exist_ok=True)
        sha256 = assemble(_layout(order, volumes, ids), volumes, partial)
        _write_beside(order, {".cdx.json": document, ".lock": debian.lock_text(order.arch, installed)})
        partial.replace(order.target)
        _write_beside(order, {".sha256": f"{sha256}  {order.target.name}\n"})
    return order.target


def dry_run(order: Order, say: Say) -> None:
    """Say what would be done."""
    say("# Debian's packages")
    say(shlex.join(install(order, order.work / "debian")))
    say("# what is laid over them")
    say(f"{order.agent} -> /opt/mirage/slots/a; current, committed -> slots/a")
    say(f"{order.bundle} -> /opt/mirage/bundles; current, committed")
    say("# file systems")
    say(f"esp: vfat, {ESP_BYTES} bytes, {_LOADERS[order.arch][0]} and {Path(_LOADERS[order.arch][1]).name}")
    say(f"cidata: {SEED_BYTES} bytes, for the seed")
    say(f"root: ext4, what is in it and {SPARE_BYTES} bytes more; it grows at the first boot")
    say("# disk")
    for suffix in ("", ".lock", ".cdx.json", ".sha256"):
        say(str(order.beside(suffix)))


def install(order: Order, folder: Path) -> list[str]:
    """Say what installs the packages into the archive `root.tar` of a folder."""
    data = order.data.resolve() / "image"
    unwanted = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in debian.LEFT_OUT]
    collected = shlex.join([str(data / "collect")]), shlex.join([str(folder), *debian.BOOT[order.arch]])
    command = [
        "unshare", "--mount", "--propagation=private",
        "mmdebstrap", "--mode=root", "--variant=apt", "--format=tar",
        f"--architectures={order.arch}", f"--include={','.join(order.wanted)}",
        "--aptopt=Acquire::Languages none", *unwanted,
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        # So that the initial file system gets what checks the root after a power cut.
        f"""--essential-hook=d="$1"{_INITRAMFS}; mkdir -p "$d"; echo FSTYPE=ext4 >"$d"/mirage""",
        f'--customize-hook={collected[0]} "$1" {collected[1]}',
    ]  # fmt: skip
    if order.lock is not None:
        pins, later = shlex.quote(str(folder / "pins")), 'Acquire::Check-Valid-Until "false";'
        command += [  # not with --aptopt, which stays in the image
            f'--setup-hook=mkdir -p "$1"/etc/apt/preferences.d; cp {pins} "$1"/etc/apt/preferences.d/mirage',
            # What was locked may be of an old mirror.
            f"""--setup-hook=echo '{later}' >"$1"/etc/apt/apt.conf.d/mirage""",
        ]
    sources = debian.sources(order.mirror, order.security)
    return [*command, debian.SUITE, str(folder / "root.tar"), *sources]


def assemble(layout: Layout, volumes: Sequence[Path], target: Path) -> str:
    """Write the disk, with holes where nothing is, and give its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for block in _blocks(layout, volumes):
            digest.update(block)
            if block.count(0) == len(block):
                file.seek(len(block), os.SEEK_CUR)
            else:
                file.write(block)
        file.truncate(layout.size)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _blocks(layout: Layout, volumes: Sequence[Path]) -> Iterator[bytes]:
    yield layout.table().ljust(MIB, b"\0")
    for part, path in zip(layout.parts, volumes, strict=True):
        with path.open("rb") as file:
            for _ in range(part.size // MIB):
                yield file.read(MIB).ljust(MIB, b"\0")
    yield layout.copy().rjust(MIB, b"\0")


def _packages(order: Order, say: Say) -> tuple[debian.Package, ...]:
    """Install Debian's packages, or find them installed: what a lock names is the same each time."""
    say("# Debian's packages")
    folder = order.work / "debian"
    key = folder / "key"
    if order.lock is not None and key.is_file() and key.read_text("ascii") == _key(order, order.lock):
        say(f"{folder}: as the lock says, from before")
    else:
        with _folder(folder, keep=True):
            if order.lock is not None:
                (folder / "pins").write_text(debian.pins(order.lock), "utf-8")
            (folder / "tmp").mkdir()
            command = install(order, folder)
            say(shlex.join(command))
            _shown(command, {"SOURCE_DATE_EPOCH": str(order.epoch_s), "TMPDIR": str(folder / "tmp")})
    lists = (path.read_text("utf-8") for path in sorted((folder / "indexes").iterdir()))
    installed = debian.hashed((folder / "installed").read_text("utf-8"), lists)
    if order.lock is not None:
        debian.check_lock(order.lock, installed)
    key.write_text(_key(order, installed), "ascii")
    return installed


def _key(order: Order, packages: Iterable[debian.Package]) -> str:
    """Say what the archive of packages depends on; no way to a mirror is among it."""
    anywhere = replace(order, mirror="", security="", lock=None)
    content = [
        debian.lock_text(order.arch, packages),
        *install(anywhere, Path("debian")),
        str(order.epoch_s),
        (order.data / "image/collect").read_text("utf-8"),
    ]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()


def _unpack(order: Order, root: Path) -> None:
    root.mkdir()
    unpack = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"]
    run([*unpack, str(order.work / "debian/root.tar"), "-C", str(root)], order.epoch_s)


def _volumes(order: Order, root: Path, folder: Path, ids: Identity) -> list[Path]:
    shim, grub, firmware, second = _LOADERS[order.arch]
    boot = order.work / "debian/boot/usr/lib"
    (folder / "grub.cfg").write_text(grub_cfg(ids), "utf-8")
    files = {
        f"EFI/BOOT/{firmware}": boot / "shim" / shim,
        f"EFI/BOOT/{second}": boot / "grub" / grub,
        "EFI/debian/grub.cfg": folder / "grub.cfg",
    }
    esp, seed, system = (folder / f"{name}.img" for name in ("esp", "seed", "system"))
    vfat(files, esp, ESP_BYTES, "ESP", order.epoch_s)
    vfat({}, seed, SEED_BYTES, LABEL, order.epoch_s)
    ext4(root, system, ext4_size(root, SPARE_BYTES), "mirage", ids.uuid("root"), order.epoch_s)
    return [esp, seed, system]


def _layout(order: Order, volumes: Sequence[Path], ids: Identity) -> Layout:
    names, kinds = ("esp", "cidata", "root"), (ESP, DATA, ROOT[order.arch])
    parts = [
        Part(name, kind, ids.uuid(f"partition {name}"), path.stat().st_size)
        for name, kind, path in zip(names, kinds, volumes, strict=True)
    ]
    return Layout(ids.uuid("disk"), tuple(parts))


def _write_beside(order: Order, texts: dict[str, str]) -> None:
    for suffix, text in texts.items():
        write_whole(order.beside(suffix), text.encode())


@contextmanager
def _folder(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """Make a folder anew, and remove it at the end, or `keep` it if nothing went wrong."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    if not keep:
        shutil.rmtree(path)


def _shown(command: Sequence[str], environment: dict[str, str]) -> None:
    """Run a program that says itself how far it is."""
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode:
        raise ImageError(f"exit {done.returncode}: {command[3]}; what went wrong is said above")


def _is_there(name: str) -> bool:
    try:
        tool(name)
    except ToolError:
        return False
    return True
