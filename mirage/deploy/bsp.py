"""NVIDIA's board support package (Linux_for_Tegra) on this machine: found, and fit for a device.

It may not be passed on, so that everybody fetches it from NVIDIA and says where it lies.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.boards import L4T, l4t_trouble
from mirage.deploy.device import Device

FLASH = "tools/kernel_flash/l4t_initrd_flash.sh"
USER = "tools/l4t_create_default_user.sh"
APPLY = "apply_binaries.sh"
RELEASE = "etc/nv_tegra_release"  # in the root file system, once NVIDIA's packages are in it
LAYOUTS = ("flash_l4t_t234_nvme.xml", "flash_l4t_external.xml")  # of an NVMe: R36 and later, before
QSPI = "bootloader/generic/cfg/flash_t234_qspi.xml"
_WHERE = "developer.nvidia.com/embedded/jetson-linux-archive"
_VERSION = re.compile(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)")


class BspError(ValueError):
    """NVIDIA's tools are missing, or unfit for the device; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Bsp:
    """One tree; `version` is such as (36, 4, 4), None before apply_binaries.sh has run."""

    root: Path
    version: tuple[int, ...] | None

    @property
    def rootfs(self) -> Path:
        return self.root / "rootfs"

    @property
    def label(self) -> str:
        return "?" if self.version is None else ".".join(map(str, self.version))

    def check(self, device: Device) -> None:
        """Raise BspError where the device cannot be flashed with this tree."""
        if device.jetpack is None:
            raise BspError(f"{device.id}: {device.kind.name} is not flashed with NVIDIA's tools")
        trouble = self.version and l4t_trouble(device.jetpack, self.version[0])
        if trouble:
            raise BspError(f"{self.root}: {trouble}")
        config = self.root / f"{device.board_config}.conf"
        if not config.is_file():
            raise BspError(f"{config}: no such board in this tree; its maker's package may bring it")
        if device.storage == "nvme":
            self.layout()
            if not (self.root / QSPI).is_file():
                raise BspError(f"{self.root / QSPI}: no such file, the tree is not whole")
        if not (self.rootfs / "usr/bin/cloud-init").exists():
            raise BspError(_no_cloud_init(self.rootfs))

    def layout(self) -> str:
        """Name the partition layout of an NVMe, relative to the tree."""
        for name in LAYOUTS:
            if (self.root / "tools/kernel_flash" / name).is_file():
                return f"tools/kernel_flash/{name}"
        raise BspError(f"{self.root}/tools/kernel_flash: has neither {' nor '.join(LAYOUTS)}")


def read_bsp(root: Path) -> Bsp:
    """Look at a tree, or raise BspError saying how to get one."""
    if not (root / FLASH).is_file():
        raise BspError(_how_to_get(root))
    for name in (APPLY, USER):
        if not (root / name).is_file():
            raise BspError(f"{root / name}: no such file, the tree is not whole")
    if not (root / "rootfs/etc/passwd").is_file():
        raise BspError(f"{root}/rootfs: is empty: {_unpack_rootfs(root)}")
    return Bsp(root, _version(root / "rootfs" / RELEASE))


def _version(path: Path) -> tuple[int, ...] | None:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    found = _VERSION.search(text)
    if found is None:
        raise BspError(f"{path}: says no version of Jetson Linux")
    return (int(found[1]), *map(int, found[2].split(".")))


def _how_to_get(root: Path) -> str:
    majors = " or ".join(f"R{major} for JetPack {jetpack}" for jetpack, major in L4T.items())
    return (
        f"{root / FLASH}: no such file. NVIDIA's Jetson Linux ({majors}) goes there: take 'Driver Package "
        f"(BSP)' and 'Sample Root Filesystem' from {_WHERE}, then: "
        f"tar -xpf Jetson_Linux_R*.tbz2 -C {root.parent}; {_unpack_rootfs(root)}"
    )


def _unpack_rootfs(root: Path) -> str:
    return f"sudo tar -xpf Tegra_Linux_Sample-Root-Filesystem_R*.tbz2 -C {root}/rootfs"


def _no_cloud_init(rootfs: Path) -> str:
    return (
        f"{rootfs}: has no cloud-init, which reads the seed: "
        "sudo apt-get install qemu-user-static binfmt-support; "
        f"sudo cp /etc/resolv.conf {rootfs}/etc/; sudo chroot {rootfs} apt-get update; "
        f"sudo chroot {rootfs} apt-get install -y --no-install-recommends cloud-init"
    )
