"""The partition table: what other programs read in it is what was meant."""

import io
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from mirage.deploy.gpt import partitions
from mirage.deploy.image.layout import DATA, ESP, MIB, ROOT, Layout, Part

LAYOUT = Layout(
    UUID(int=1),
    (
        Part("esp", ESP, UUID(int=2), 4 * MIB),
        Part("cidata", DATA, UUID(int=3), MIB),
        Part("root", ROOT["amd64"], UUID(int=4), 6 * MIB),
    ),
)


def disk() -> bytes:
    table, copy = LAYOUT.table(), LAYOUT.copy()
    return table.ljust(LAYOUT.size - len(copy), b"\0") + copy


def test_the_table_says_where_each_partition_lies() -> None:
    found = partitions(io.BytesIO(disk()))
    assert [(each.name, each.offset, each.size) for each in found] == [
        ("esp", MIB, 4 * MIB),
        ("cidata", 5 * MIB, MIB),
        ("root", 6 * MIB, 6 * MIB),
    ]
    assert LAYOUT.size == 13 * MIB


def test_another_program_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    program = shutil.which("sgdisk", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        pytest.skip("sgdisk is not installed: apt-get install gdisk")
    image = tmp_path / "disk.img"
    image.write_bytes(disk())
    done = subprocess.run([program, "-v", "-p", str(image)], capture_output=True, text=True, check=False)
    assert "No problems found" in done.stdout, done.stdout + done.stderr
    assert str(UUID(int=1)).upper() in done.stdout
    damaged = bytearray(disk())
    damaged[2 * 512 + 33] ^= 1  # the first sector of the first partition
    image.write_bytes(damaged)
    done = subprocess.run([program, "-v", str(image)], capture_output=True, text=True, check=False)
    assert "No problems found" not in done.stdout


@pytest.mark.parametrize("size", [0, -MIB, MIB + 512])
def test_a_partition_is_whole_mebibytes(size: int) -> None:
    with pytest.raises(ValueError, match="no whole MiB"):
        Part("esp", ESP, UUID(int=2), size)
