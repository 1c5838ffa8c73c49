"""What two disk images differ in: the hash of all, of each partition, and each file of those that differ.

    python -m tests.boot.differences A.img B.img        exit 1 where they differ

    disk    e0c1...  7b42...  differs
    esp     5d0f...  5d0f...  same
    root    9a8e...  c3d4...  differs
    root: etc/shadow: -rw-r----- 0:42 1767225600 1f0c22a81b5d, -rw-r----- 0:42 1767225600 77d1e0a4c6f2

A file is described by its mode, owner, time, and the start of its SHA-256. What differs is unpacked beside B.
"""

import hashlib
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mirage.deploy.gpt import partitions
from mirage.deploy.tools import tool

_PART = 1 << 20
_BLOCK = 4096
_EXT4_MAGIC_AT = 1024 + 56


@dataclass(frozen=True, slots=True)
class Comparison:
    """The SHA-256 of `disk` and of each partition, on both sides; and of files, those that differ."""

    first: dict[str, str]
    second: dict[str, str]
    files: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return self.first == self.second

    def lines(self) -> Iterator[str]:
        """Say all of it to a person."""
        for name in {**self.first, **self.second}:
            here, there = self.first.get(name, "none"), self.second.get(name, "none")
            yield f"{name:8}{here}  {there}  {'same' if here == there else 'differs'}"
        yield from self.files


def compare(first: Path, second: Path) -> Comparison:
    """Compare two images; as root, owners too."""
    here, there = hashes(first), hashes(second)
    found: list[str] = []
    for name in sorted({*here, *there} - {"disk"}):
        if here.get(name) != there.get(name):
            with tempfile.TemporaryDirectory(dir=second.parent) as work:
                copies = [_partition(image, name, Path(work)) for image in (first, second)]
                found += _changed(name, *copies)
    if not found and here != there:
        found = ["disk: the same partitions; the table that says where they lie differs"]
    return Comparison(here, there, tuple(found))


def hashes(image: Path) -> dict[str, str]:
    """Give the SHA-256 of the disk, and of each partition by its name."""
    with image.open("rb") as file:
        found = {"disk": _sha256(_parts(file, 0, image.stat().st_size))}
        return found | {each.name: _sha256(_parts(file, each.offset, each.size)) for each in partitions(file)}


def _partition(image: Path, name: str, folder: Path) -> Path:
    """Copy a partition into a file of its own; one that is not there is empty."""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as target, image.open("rb") as file:
        for each in partitions(file):
            if each.name == name:
                target.writelines(_parts(file, each.offset, each.size))
    return Path(target.name)


def _changed(name: str, first: Path, second: Path) -> Iterator[str]:
    here, there = _files(first), _files(second)
    changed = [path for path in sorted({*here, *there}) if here.get(path) != there.get(path)]
    for path in changed:
        yield f"{name}: {path}: {here.get(path, 'none')}, {there.get(path, 'none')}"
    if not changed:  # times of links, which are not unpacked; tables of the file system
        yield f"{name}: the same files; {_blocks(first, second)}"


def _files(partition: Path) -> dict[str, str]:
    """Describe each file of a partition."""
    with partition.open("rb") as file:
        file.seek(_EXT4_MAGIC_AT)
        is_ext4 = file.read(2) == b"\x53\xef"
    with tempfile.TemporaryDirectory(dir=partition.parent) as folder:
        if is_ext4:
            command = [tool("debugfs"), "-R", f'rdump / "{folder}"', str(partition)]
        else:
            command = [tool("mcopy"), "-s", "-m", "-n", "-i", str(partition), "::", folder]
        subprocess.run(command, check=is_ext4, capture_output=True)  # mcopy fails where there is no file
        return {str(path.relative_to(folder)): _described(path) for path in Path(folder).rglob("*")}


def _described(path: Path) -> str:
    about = path.lstat()
    said = [stat.filemode(about.st_mode), f"{about.st_uid}:{about.st_gid}"]
    if path.is_symlink():
        return f"{said[0]} -> {path.readlink()}"  # owner and time are those of the copy
    said.append(str(int(about.st_mtime)))
    if path.is_file():
        with path.open("rb") as file:
            said.append(_sha256(_parts(file, 0, about.st_size))[:12])
    return " ".join(said)


def _blocks(first: Path, second: Path) -> str:
    with first.open("rb") as here, second.open("rb") as there:
        count = max(first.stat().st_size, second.stat().st_size) // _BLOCK
        changed = [number for number in range(count) if here.read(_BLOCK) != there.read(_BLOCK)]
    return f"{len(changed)} of {count} blocks of {_BLOCK} bytes differ, the first is {changed[0]}"


def _sha256(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _parts(file: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    file.seek(offset)
    while size > 0 and (part := file.read(min(_PART, size))):
        size -= len(part)
        yield part


def main(first: str, second: str) -> int:
    """Print what was found; 1 if that is anything."""
    found = compare(Path(first), Path(second))
    sys.stdout.write("\n".join([*found.lines(), ""]))
    return int(not found.is_same)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
