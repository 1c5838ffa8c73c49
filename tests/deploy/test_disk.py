"""Disks: what may not be written is left alone, and what is written is read back."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.deploy.disk import Disk, DiskError, find_disk, read_listing
from mirage.deploy.payload import BLOCK, Payload, PayloadError, image_with_seed, only_seed
from mirage.deploy.writing import NOTE_EVERY, WriteError, write

MIB = 2**20
USB = {
    "name": "sdb", "path": "/dev/sdb", "type": "disk", "size": 64 * MIB, "model": " Ultra Fit ",
    "serial": "4C530001", "tran": "usb", "ro": False, "mountpoints": [None],
}  # fmt: skip


def listed(**changes: object) -> Disk:
    return read_listing(json.dumps({"blockdevices": [{**USB, **changes}]}), Path("/dev/sdb"))


def part(kind: str = "part", *mounts: str | None, **more: object) -> dict[str, object]:
    return {
        "name": "sdb1",
        "path": "/dev/sdb1",
        "type": kind,
        "size": MIB,
        "mountpoints": list(mounts),
        **more,
    }


def as_disk(path: Path, serial: str = "S1") -> Disk:
    return Disk(str(path), "a file", serial, path.stat().st_size, "", ())


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(os.urandom(9 * MIB + 512))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    with path.open("wb") as file:
        file.truncate(16 * MIB)
    return path


@pytest.fixture
def loop(target: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("losetup") is None:
        pytest.skip("loop devices need root and losetup")
    done = subprocess.run(
        ["losetup", "--find", "--show", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    device = Path(done.stdout.strip())
    yield device
    subprocess.run(["losetup", "--detach", str(device)], check=True)


def test_a_disk_is_shown_with_model_size_and_serial() -> None:
    disk = listed()
    assert str(disk) == "/dev/sdb: Ultra Fit, 0.1 GB (67108864 bytes), serial 4C530001, usb"
    assert disk.name_to_confirm == "4C530001"
    disk.check_free(64 * MIB)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "part"}, "is a part, not a whole disk"),
        ({"type": "rom"}, "is a rom"),
        ({"ro": True}, "is read-only"),
        ({"mountpoints": ["/media/stick"]}, "sdb is mounted on /media/stick"),
        ({"children": [part("part", "/media/stick")]}, "sdb1 is mounted on /media/stick"),
        ({"children": [part("part", "/")]}, "carries this machine's system"),
        ({"children": [part("part", None, "/boot/efi")]}, "carries this machine's system"),
        ({"children": [part("part", "[SWAP]")]}, "carries this machine's system"),
        ({"children": [part("part", None, children=[part("crypt", None)])]}, r"sdb1 \(crypt\) holds it"),
        ({"children": [part("raid1", None)]}, r"sdb1 \(raid1\) holds it"),
        ({"size": 64 * MIB - 1}, "has 67108863 bytes, 67108864 are needed"),
    ],
)
def test_a_disk_that_is_used_or_too_small_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(DiskError, match=says):
        listed(**changes).check_free(64 * MIB)


def test_nothing_that_a_disk_says_of_itself_commands_the_terminal() -> None:
    disk = listed(model="Ultra\x1b[2J Fit", serial="4C\x9b1m")
    assert str(disk) == "/dev/sdb: Ultra\ufffd[2J Fit, 0.1 GB (67108864 bytes), serial 4C\ufffd1m, usb"
    assert disk.name_to_confirm == "4C\ufffd1m"


def test_another_serial_is_another_disk() -> None:
    listed().check_confirmed("4C530001")
    with pytest.raises(DiskError, match="its serial is 4C530001, not 'yes'"):
        listed().check_confirmed("yes")


def test_a_disk_without_serial_is_confirmed_by_name_and_size() -> None:
    assert listed(serial=None).name_to_confirm == f"sdb-{64 * MIB}"


@pytest.mark.parametrize("said", ["", "{}", '{"blockdevices": []}', '{"blockdevices": [{}]}'])
def test_an_answer_of_lsblk_that_is_not_understood_is_no_disk(said: str) -> None:
    with pytest.raises(DiskError):
        read_listing(said, Path("/dev/sdb"))


def test_what_is_no_block_device_is_refused(target: Path) -> None:
    with pytest.raises(DiskError, match="target"):
        find_disk(target)


def test_an_image_is_on_the_disk_and_nothing_else_has_changed(
    image: Path, target: Path, tmp_path: Path
) -> None:
    target.write_bytes(b"\xaa" * 16 * MIB)
    payload = Payload(image, image.stat().st_size)
    written = write(payload, as_disk(target), tmp_path / "notes", quiet)
    assert written.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    assert target.read_bytes() == image.read_bytes() + b"\xaa" * (7 * MIB - 512)
    assert list((tmp_path / "notes").iterdir()) == []


def test_a_real_block_device_is_written_and_read_back(image: Path, loop: Path, tmp_path: Path) -> None:
    disk = find_disk(loop)
    assert (disk.serial, disk.bytes) == ("", 16 * MIB)
    payload = Payload(image, image.stat().st_size)
    write(payload, disk, tmp_path / "notes", quiet)
    assert loop.read_bytes()[: payload.size] == image.read_bytes()


def test_a_mounted_block_device_is_left_alone(image: Path, loop: Path, tmp_path: Path) -> None:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed: apt-get install e2fsprogs")
    free = find_disk(loop)
    subprocess.run(["mkfs.ext4", "-q", str(loop)], check=True)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if subprocess.run(["mount", str(loop), str(mounted)], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    before = hashlib.sha256(loop.read_bytes()).hexdigest()
    try:
        payload = Payload(image, image.stat().st_size)
        with pytest.raises(DiskError, match="is mounted on"):
            write(payload, find_disk(loop), tmp_path / "notes", quiet)
        # Mounted after somebody has looked: the kernel says so.
        with pytest.raises(DiskError, match="busy"):
            write(payload, free, tmp_path / "notes", quiet)
        assert hashlib.sha256(loop.read_bytes()).hexdigest() == before
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_disk_of_another_size_than_was_looked_at_is_another_disk(
    image: Path, target: Path, tmp_path: Path
) -> None:
    disk = as_disk(target)
    with target.open("ab") as file:
        file.truncate(17 * MIB)
    with pytest.raises(DiskError, match="another disk is there"):
        write(Payload(image, image.stat().st_size), disk, tmp_path / "notes", quiet)


class Unplugged(Exception):  # noqa: N818 (it is no error of ours)
    """The stick was pulled, or the power went."""


def interrupted(payload: Payload, disk: Disk, notes: Path, at: int) -> None:
    def pull(what: str, done: int, _total: int) -> None:
        if what == "write" and done >= at:
            raise Unplugged

    with pytest.raises(Unplugged):
        write(payload, disk, notes, pull)


@pytest.fixture
def large(tmp_path: Path) -> Payload:
    path = tmp_path / "large.img"
    with path.open("wb") as file:
        file.truncate(2 * NOTE_EVERY + MIB)
        file.seek(NOTE_EVERY + 17)
        file.write(b"in the middle")
    return Payload(path, path.stat().st_size)


def test_an_interrupted_write_goes_on_where_it_was(large: Payload, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"\xaa" * large.size)
    notes = tmp_path / "notes"
    interrupted(large, as_disk(target), notes, NOTE_EVERY + 2 * BLOCK)
    first: list[int] = []
    written = write(
        large, as_disk(target), notes, lambda what, done, _: first.append(done) if what == "write" else None
    )
    assert written.resumed_at == NOTE_EVERY
    assert first[0] == NOTE_EVERY + BLOCK
    assert large.image is not None
    assert target.read_bytes() == large.image.read_bytes()


def test_another_disk_or_another_image_starts_anew(large: Payload, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(bytes(large.size))
    notes = tmp_path / "notes"
    interrupted(large, as_disk(target), notes, NOTE_EVERY)
    assert write(large, as_disk(target, "S2"), notes, quiet).resumed_at == 0
    other = only_seed(b"seed" * 1000)
    assert write(other, as_disk(target), notes, quiet).resumed_at == 0


def test_a_damaged_note_starts_anew(large: Payload, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(bytes(large.size))
    notes = tmp_path / "notes"
    interrupted(large, as_disk(target), notes, NOTE_EVERY)
    (notes / "S1.json").write_text("{")
    assert write(large, as_disk(target), notes, quiet).resumed_at == 0


def test_a_disk_that_forgot_what_was_written_is_found_out(large: Payload, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(bytes(large.size))
    notes = tmp_path / "notes"
    interrupted(large, as_disk(target), notes, 2 * NOTE_EVERY)
    with target.open("r+b") as file:  # a block before the note
        file.seek(NOTE_EVERY + 17)
        file.write(bytes(5))
    with pytest.raises(WriteError, match=f"from byte {NOTE_EVERY} on"):
        write(large, as_disk(target), notes, quiet)
    assert write(large, as_disk(target), notes, quiet).resumed_at == 0


def with_table(path: Path, *names: str) -> Path:
    """Make an image of 4 MiB with a partition table of these partitions, a MiB each from 1 MiB on."""
    entries = b""
    for index, name in enumerate(names, 1):
        entries += struct.pack(
            "<16s16sQQQ72s",
            b"k" * 16,
            b"u" * 16,
            index * 2048,
            (index + 1) * 2048 - 1,
            0,
            name.encode("utf-16-le"),
        )
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, 128, 128) + bytes(4)
    data = bytearray(os.urandom(4 * MIB))
    data[512 : 512 + len(header)] = header
    data[1024 : 1024 + 128 * 128] = entries.ljust(128 * 128, b"\0")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["cidata", "CIDATA"])
def test_the_seed_is_laid_into_its_partition(tmp_path: Path, name: str) -> None:
    image = with_table(tmp_path / "disk.img", "root", name)
    payload = image_with_seed(image, b"seed" * 1000)
    content = b"".join(payload.blocks())
    before = image.read_bytes()
    assert content == before[: 2 * MIB] + b"seed" * 1000 + before[2 * MIB + 4000 :]
    assert payload.sha256() == hashlib.sha256(content).hexdigest()
    assert b"".join(payload.blocks(2 * MIB + 2)) == content[2 * MIB + 2 :]


@pytest.mark.parametrize("offset", [0, BLOCK - 7, BLOCK, 2 * BLOCK - 1])
def test_a_seed_across_blocks_is_whole(image: Path, offset: int) -> None:
    seed = bytes(range(256)) * 40
    content = b"".join(Payload(image, image.stat().st_size, seed, offset).blocks())
    before = image.read_bytes()
    assert content == before[:offset] + seed + before[offset + len(seed) :]


@pytest.mark.parametrize(
    ("names", "size", "says"),
    [
        (("root",), 100, "has 0 partitions named cidata"),
        (("cidata", "cidata"), 100, "has 2 partitions named cidata"),
        (("cidata",), MIB + 1, "partition cidata has 1048576 bytes"),
    ],
)
def test_an_image_without_room_for_a_seed_is_refused(
    tmp_path: Path, names: tuple[str, ...], size: int, says: str
) -> None:
    with pytest.raises(PayloadError, match=says):
        image_with_seed(with_table(tmp_path / "disk.img", *names), bytes(size))


def test_an_image_without_a_partition_table_is_refused(image: Path) -> None:
    with pytest.raises(PayloadError, match="no GUID partition table"):
        image_with_seed(image, b"seed")


def test_a_damaged_image_is_refused_before_it_is_written(tmp_path: Path) -> None:
    image = with_table(tmp_path / "disk.img", "cidata")
    beside = tmp_path / "disk.img.sha256"
    beside.write_text(f"{hashlib.sha256(image.read_bytes()).hexdigest()}  disk.img\n")
    image_with_seed(image, b"seed")
    with image.open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"flipped")
    with pytest.raises(PayloadError, match="is damaged"):
        image_with_seed(image, b"seed")


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (512 + 80, 1 << 20, "partition table with 1048576 entries"),
        (512 + 84, 64, "entries of 64 bytes"),
        (512 + 72, 1 << 20, "is cut off"),
        (1024 + 32, 5000, "ends at sector 4095, before it begins at 5000"),
    ],
)
def test_a_damaged_partition_table_is_refused(tmp_path: Path, at: int, value: int, says: str) -> None:
    image = with_table(tmp_path / "disk.img", "cidata")
    with image.open("r+b") as file:
        file.seek(at)
        file.write(value.to_bytes(4 if value < 1 << 32 and at < 1024 else 8, "little"))
    with pytest.raises(PayloadError, match=says):
        image_with_seed(image, b"seed")
