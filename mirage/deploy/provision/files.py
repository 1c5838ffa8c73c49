"""The files that a board gets, as tar archives: units, and the settings of its device."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mirage.deploy.overlay import write_system

_NOT_HERE = (
    "etc/cloud/",
    "usr/lib/mirage/first-boot",
    "mirage-first-boot.service",
)  # it has booted long since


def units(data: Path) -> bytes:
    """Pack units and the agent's user; the links that start them come last, with `systemctl enable`."""
    with TemporaryDirectory(prefix="mirage-units-") as name:
        root = Path(name)
        write_system(data, root)
        files = {
            path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
    return _packed(
        {name: file for name, file in files.items() if not any(each in name for each in _NOT_HERE)}
    )


def settings(files: Mapping[str, tuple[str, str]], *, with_claim: bool) -> bytes:
    """Pack what a seed would have written: text and mode by path. One that is enrolled needs no claim."""
    wanted = {path: each for path, each in files.items() if with_claim or not path.endswith("/claim")}
    return _packed({path.lstrip("/"): (text.encode(), int(mode, 8)) for path, (text, mode) in wanted.items()})


def _packed(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()
