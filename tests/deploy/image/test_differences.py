"""What two images differ in is found, down to the file."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from mirage.deploy.image.build import assemble
from mirage.deploy.image.layout import DATA, ESP, MIB, ROOT, Layout, Part
from mirage.deploy.image.volumes import ext4, vfat
from mirage.deploy.seed_image import LABEL
from tests.boot.differences import compare
from tests.deploy.fleets import need

EPOCH_S = 1_767_225_600


def image(folder: Path, name: str, loader: str = "a loader") -> Path:
    """Make an image of what is in `folder`/tree, with a loader."""
    need("mke2fs", "dumpe2fs", "debugfs", "mkfs.vfat", "mcopy", "mmd")
    source = folder / "loader"
    source.write_text(loader)
    os.utime(source, (EPOCH_S, EPOCH_S))
    esp, data, root = (folder / f"{name}.{part}" for part in ("esp", "cidata", "root"))
    vfat({"EFI/BOOT/BOOTX64.EFI": source}, esp, MIB, "ESP", EPOCH_S)
    vfat({}, data, MIB, LABEL, EPOCH_S)
    ext4(folder / "tree", root, 24 * MIB, "mirage", UUID(int=7), EPOCH_S)
    kinds = (("esp", ESP, esp), ("cidata", DATA, data), ("root", ROOT["amd64"], root))
    parts = (Part(each, kind, UUID(int=1), path.stat().st_size) for each, kind, path in kinds)
    assemble(Layout(UUID(int=9), tuple(parts)), [esp, data, root], folder / f"{name}.img")
    return folder / f"{name}.img"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    for name in ("hostname", "shadow"):
        (root / "etc" / name).write_text("as it was\n")
        (root / "etc" / name).chmod(0o644)
        os.utime(root / "etc" / name, (1_000_000_000, 1_000_000_000))
    (root / "bin").symlink_to("usr/bin")
    return root


def test_equal_images_are_the_same(tree: Path, tmp_path: Path) -> None:
    found = compare(image(tmp_path, "first"), image(tmp_path, "second"))
    assert found.is_same
    assert found.files == ()
    assert [line.split()[0] for line in found.lines()] == ["disk", "esp", "cidata", "root"]
    assert all(line.endswith("  same") for line in found.lines())
    assert tree.is_dir()


def test_files_that_differ_are_named(tree: Path, tmp_path: Path) -> None:
    first = image(tmp_path, "first")
    (tree / "etc/hostname").chmod(0o600)
    (tree / "etc/shadow").write_text("as it is\n")
    os.utime(tree / "etc/shadow", (1_000_000_001, 1_000_000_001))
    (tree / "etc/new").write_text("new\n")
    (tree / "bin").unlink()
    (tree / "bin").symlink_to("usr/sbin")
    found = compare(first, image(tmp_path, "second"))
    changed = {line.split()[1]: line for line in found.files}
    assert set(changed) == {"bin:", "etc/hostname:", "etc/new:", "etc/shadow:"}
    assert "-rw-r--r--" in changed["etc/hostname:"]
    assert "-rw-------" in changed["etc/hostname:"]
    assert " 1000000000 " in changed["etc/shadow:"]
    assert " 1000000001 " in changed["etc/shadow:"]
    assert changed["etc/new:"].startswith("root: etc/new: none, -rw")
    assert changed["bin:"] == "root: bin: lrwxrwxrwx -> usr/bin, lrwxrwxrwx -> usr/sbin"
    said = {line.split()[0]: line.split()[-1] for line in found.lines() if not line.startswith("root: ")}
    assert said == {"disk": "differs", "esp": "same", "cidata": "same", "root": "differs"}


def test_a_loader_that_differs_is_named(tree: Path, tmp_path: Path) -> None:
    found = compare(image(tmp_path, "first"), image(tmp_path, "second", "a leader"))
    assert [line.split(": ")[:2] for line in found.files] == [["esp", "EFI/BOOT/BOOTX64.EFI"]]
    assert tree.is_dir()


def test_where_no_file_differs_blocks_are_counted(tree: Path, tmp_path: Path) -> None:
    first = image(tmp_path, "first")
    os.utime(tree / "bin", (1, 1), follow_symlinks=False)
    [line] = compare(first, image(tmp_path, "second")).files
    assert line.startswith("root: the same files; ")
    assert "blocks of 4096 bytes differ, the first is " in line


def test_the_command_fails_where_images_differ(tree: Path, tmp_path: Path) -> None:
    first = image(tmp_path, "first")
    (tree / "etc/hostname").write_text("other\n")
    command = [sys.executable, "-m", "tests.boot.differences", str(first)]
    same = subprocess.run([*command, str(first)], capture_output=True, text=True, check=False)
    assert same.returncode == 0, same.stderr
    other = subprocess.run(
        [*command, str(image(tmp_path, "second"))], capture_output=True, text=True, check=False
    )
    assert other.returncode == 1, other.stderr
    assert "root: etc/hostname: " in other.stdout
