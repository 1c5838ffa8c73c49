"""File systems as files. The same tree gives the same bytes: ids are given, and it is always `epoch_s`."""

import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from mirage.deploy.image.layout import whole_mib
from mirage.deploy.tools import tool

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_BLOCK = 4096
_FEATURES = (  # of Debian 12, whatever this machine's default: its GRUB must read them
    "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,"
    "dir_nlink,extra_isize,metadata_csum"
)
_FREE = re.compile(r"Free inodes: ?(.*)")
_INODES = re.compile(r"Inode count: +(\d+)")


class VolumeError(RuntimeError):
    """A program that makes file systems failed; the message is its last line."""


def vfat(files: Mapping[str, Path], target: Path, size: int, label: str, epoch_s: int) -> None:
    """Make a file system of `size` bytes with these files (path in it, where they are)."""
    mkfs = [tool("mkfs.vfat"), "-C", "-n", label, *(("-F", "32") if size >= 64 * 2**20 else ())]
    target.unlink(missing_ok=True)
    run([*mkfs, "--invariant", str(target), str(size // 1024)], epoch_s)
    made: set[str] = set()
    for path, source in sorted(files.items()):
        for folder in reversed(Path(path).parents):
            if str(folder) not in {".", *made}:
                run([tool("mmd"), "-i", str(target), f"::{folder}"], epoch_s)
                made.add(str(folder))
        run([tool("mcopy"), "-i", str(target), str(source), f"::{path}"], epoch_s)


def ext4_size(tree: Path, spare: int) -> int:
    """Say how many bytes a file system for this tree needs, with `spare` left free."""
    blocks, inodes = 0, 0
    for path, about in _walk(tree):
        inodes += 1
        size = about.st_size if stat.S_ISREG(about.st_mode) or path.is_dir() else 0
        blocks += -(-size // _BLOCK)
    used = blocks * _BLOCK + inodes * 256
    return whole_mib(used + used // 16 + 64 * 2**20 + spare)  # a sixteenth for tables, 64 MiB for the journal


def ext4(tree: Path, target: Path, size: int, label: str, name: UUID, epoch_s: int) -> None:
    """Make a file system of `size` bytes that holds the tree. All times in it are at most `epoch_s`."""
    hold_time(tree, epoch_s)
    target.unlink(missing_ok=True)
    options = f"hash_seed={name},lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    make = [tool("mke2fs"), "-q", "-F", "-O", _FEATURES, "-I", "256", "-i", "16384", "-b", str(_BLOCK)]
    identity = [
        "-J",
        f"size={64 if size >= 2**29 else 8}",
        "-m",
        "1",
        "-L",
        label,
        "-U",
        str(name),
        "-E",
        options,
        "-d",
        str(tree),
    ]
    run([*make, *identity, str(target), f"{size // 1024}k"], epoch_s)
    _forget_when_copied(target, epoch_s)


def hold_time(tree: Path, epoch_s: int) -> None:
    """Let nothing in the tree be younger than `epoch_s`; a folder, where files came and went, is of then."""
    for path, about in _walk(tree):
        then = epoch_s if stat.S_ISDIR(about.st_mode) else min(int(about.st_mtime), epoch_s)
        os.utime(path, (then, then), follow_symlinks=False)


def run(command: Sequence[str], epoch_s: int, said: bytes = b"") -> str:
    """Run a program at a time that stands still, and give what it prints. Raises VolumeError."""
    frozen = {"SOURCE_DATE_EPOCH": str(epoch_s), "E2FSPROGS_FAKE_TIME": str(epoch_s), "TZ": "UTC"}
    environment = {
        **frozen,
        "MKE2FS_CONFIG": os.devnull,
        "LC_ALL": "C",
        "MTOOLS_SKIP_CHECK": "1",
        "PATH": _PATH,
    }
    done = subprocess.run(command, env=environment, input=said, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise VolumeError(f"{Path(command[0]).name}: {lines[-1] if lines else f'exit {done.returncode}'}")
    return done.stdout.decode(errors="replace")


def _forget_when_copied(image: Path, epoch_s: int) -> None:
    """Set times of reading and of change, which mke2fs (before 1.47.1) takes from the tree, to the epoch."""
    used = _used_inodes(run([tool("dumpe2fs"), str(image)], epoch_s))
    lines = [f"sif <{inode}> {field} @{epoch_s}\n" for inode in used for field in ("ctime", "atime")]
    run([tool("debugfs"), "-w", "-f", "-", str(image)], epoch_s, "".join(lines).encode())


def _used_inodes(dump: str) -> Iterator[int]:
    count = _INODES.search(dump)
    if count is None:
        raise VolumeError("dumpe2fs: does not say how many inodes there are")
    free: set[int] = set()
    for ranges in _FREE.findall(dump):
        for each in filter(None, ranges.split(", ")):
            first, _, last = each.partition("-")
            free.update(range(int(first), int(last or first) + 1))
    return (
        inode for inode in range(1, int(count[1]) + 1) if inode not in free and (inode == 2 or inode > 10)
    )


def _walk(tree: Path) -> Iterator[tuple[Path, os.stat_result]]:
    yield tree, tree.lstat()
    for folder, folders, files in os.walk(tree):
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            yield path, path.lstat()
