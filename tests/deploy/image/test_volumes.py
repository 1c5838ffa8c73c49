"""File systems and the disk: the same tree gives the same bytes, and other programs read them."""

import hashlib
import os
import shutil
import time
from pathlib import Path
from uuid import UUID

import pytest

from mirage.deploy.image.build import assemble
from mirage.deploy.image.layout import DATA, ESP, MIB, ROOT, Layout, Part
from mirage.deploy.image.volumes import VolumeError, ext4, ext4_size, run, vfat
from mirage.deploy.payload import image_with_seed
from mirage.deploy.seed_image import LABEL, seed_image
from tests.deploy.fleets import need

EPOCH_S = 1_767_225_600
NAME = UUID(int=7)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a little of everything that a root file system has."""
    root = tmp_path / "root"
    (root / "etc/deep").mkdir(parents=True)
    (root / "etc/hostname").write_text("mirage\n")
    (root / "etc/deep/old").write_text("from before")
    os.utime(root / "etc/deep/old", (1_000_000_000, 1_000_000_000))
    os.utime(root / "etc/deep", (1_000_000_000, 1_000_000_000))
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"\x7fELF" + bytes(100_000))
    (root / "usr/bin/tool").chmod(0o4755)
    os.link(root / "usr/bin/tool", root / "usr/bin/same")
    return root


def make(tree: Path, folder: Path, seed: bytes) -> str:
    """Make a disk of a tree, and give the hash of the file."""
    need("mke2fs", "dumpe2fs", "debugfs", "mkfs.vfat", "mcopy", "mmd")
    folder.mkdir()
    esp, data, root = (folder / name for name in ("esp", "cidata", "root"))
    vfat({"EFI/BOOT/BOOTX64.EFI": tree / "usr/bin/tool"}, esp, 4 * MIB, "ESP", EPOCH_S)
    vfat({}, data, MIB, LABEL, EPOCH_S)
    ext4(tree, root, ext4_size(tree, MIB), "mirage", NAME, EPOCH_S)
    kinds = (("esp", ESP, esp), ("cidata", DATA, data), ("root", ROOT["amd64"], root))
    parts = (
        Part(name, kind, UUID(int=at), path.stat().st_size) for at, (name, kind, path) in enumerate(kinds)
    )
    sha256 = assemble(Layout(UUID(int=9), tuple(parts)), [esp, data, root], folder / "disk.img")
    with (folder / "disk.img").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == sha256
    assert image_with_seed(folder / "disk.img", seed).size == (folder / "disk.img").stat().st_size
    return sha256


def test_two_builds_are_the_same_byte_for_byte(tree: Path, tmp_path: Path) -> None:
    seed = seed_image({"user-data": b"#cloud-config\n"})
    first = make(tree, tmp_path / "first", seed)
    copy = tmp_path / "copy"
    time.sleep(1.1)  # whatever keeps a time has another one now
    shutil.copytree(tree, copy, symlinks=True)
    (copy / "usr/bin/same").unlink()
    os.link(copy / "usr/bin/tool", copy / "usr/bin/same")
    (copy / "etc/hostname").read_text()
    (copy / "etc/deep/new").write_text("for a while")  # a file that came and went
    (copy / "etc/deep/new").unlink()
    assert make(copy, tmp_path / "second", seed) == first
    (copy / "etc/hostname").write_text("other\n")
    assert make(copy, tmp_path / "third", seed) != first


def test_the_file_system_is_sound_and_holds_the_tree(tree: Path, tmp_path: Path) -> None:
    need("mke2fs", "dumpe2fs", "debugfs", "e2fsck")
    image = tmp_path / "root.img"
    ext4(tree, image, ext4_size(tree, MIB), "mirage", NAME, EPOCH_S)
    run(["e2fsck", "-f", "-n", str(image)], EPOCH_S)
    tool = run(["debugfs", "-R", "stat /usr/bin/tool", str(image)], EPOCH_S)
    assert "Mode:  04755" in tool
    assert "Links: 2" in tool
    assert {line.split(":")[0].strip() for line in tool.splitlines() if f"0x{EPOCH_S:08x}" in line} == {
        "ctime",
        "atime",
        "mtime",
        "crtime",
    }
    old = run(["debugfs", "-R", "stat /etc/deep/old", str(image)], EPOCH_S)
    assert f"mtime: 0x{1_000_000_000:08x}" in old
    features = run(["dumpe2fs", "-h", str(image)], EPOCH_S)
    assert str(NAME) in features
    assert "metadata_csum_seed" not in features  # Debian 12's GRUB does not read it


def test_what_a_program_says_when_it_fails_is_the_error(tmp_path: Path) -> None:
    need("mkfs.vfat")
    with pytest.raises(VolumeError, match=r"mkfs\.vfat: .+"):
        vfat({}, tmp_path / "no/such/folder.img", MIB, "ESP", EPOCH_S)
