"""Wheels: those of a lock file fetched by pip, which checks their hashes; our own built; all unpacked.

Nothing is installed: a release is laid out on a machine that could not run it.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from mirage.deploy.release.platforms import ROOT, Target

_SOURCES = ("wire", "edge", "mirage")  # what a device runs; cloud and export stay at home
_BESIDE = ("pyproject.toml", "README.md", "LICENSE")
_VERSION = re.compile(r'^version = "[^"]*"$', re.MULTILINE)
_LIBRARIES = ("purelib", "platlib")
Keep = Callable[[str], bool]


class WheelError(RuntimeError):
    """A wheel cannot be fetched, built or unpacked; the message says which, and why."""


def fetch(target: Target, lock: Path, folder: Path, *, offline: bool) -> list[Path]:
    """Bring a lock's wheels into a folder and give them; `offline`: they are there. Raises WheelError."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [
        "--require-hashes",
        "--only-binary=:all:",
        "--implementation",
        "cp",
        "--python-version",
        target.python,
    ]
    command += [f"--platform={tag}" for tag in target.tags]
    with_links = ["--no-index", "--find-links", str(folder)] if offline else ["--find-links", str(folder)]
    got = folder / f".{target.platform}"
    shutil.rmtree(got, ignore_errors=True)
    try:
        _run([*command, *with_links, "--requirement", str(lock), "--dest", str(got)], f"fetching {lock.name}")
        found = []
        for wheel in sorted(got.glob("*.whl")):
            wheel.replace(folder / wheel.name)
            found.append(folder / wheel.name)
    finally:
        shutil.rmtree(got, ignore_errors=True)
    return found


def build(version: str, folder: Path) -> Path:
    """Build our own wheel of what a device runs, as this version. Needs no network. Raises WheelError."""
    if not all((ROOT / name).exists() for name in (*_SOURCES, *_BESIDE)):
        raise WheelError(f"{ROOT}: is no clone of the repository: releases are built from one")
    source, out = folder / "source", folder / "wheel"
    source.mkdir(parents=True)
    for name in _SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _BESIDE:
        shutil.copy(ROOT / name, source / name)
    project = source / "pyproject.toml"
    text, count = _VERSION.subn(f'version = "{version}"', project.read_text("utf-8"), count=1)
    if count != 1:
        raise WheelError(f"{ROOT / 'pyproject.toml'}: has no version")
    project.write_text(text, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
    ]
    _run([*command, "--no-build-isolation", "--wheel-dir", str(out), str(source)], "building mirage-video")
    return next(out.glob("*.whl"))


def unpack(wheel: Path, site_packages: Path, keep: Keep) -> None:
    """Lay out what `keep` says of a wheel's files, by their paths in site-packages. Raises WheelError."""
    names = []
    try:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                name = _place(wheel, info.filename)
                if info.is_dir() or name is None or name.endswith(".dist-info/RECORD") or not keep(name):
                    continue
                path = site_packages / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as content, path.open("xb") as file:
                    shutil.copyfileobj(content, file)
                names.append(name)
    except FileExistsError as error:
        raise WheelError(f"{wheel.name}: another wheel has {error.filename} too") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WheelError(f"{wheel}: {error}") from error
    _write_record(wheel, site_packages, names)


def _place(wheel: Path, name: str) -> str | None:
    """Say where a file of a wheel goes below site-packages; None for scripts, headers and data."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or "\\" in name or ".." in parts:
        raise WheelError(f"{wheel.name}: {name!r} leads out of it")
    if not parts or not parts[0].endswith(".data"):
        return name
    return "/".join(parts[2:]) if len(parts) > 2 and parts[1] in _LIBRARIES else None


def _write_record(wheel: Path, site_packages: Path, names: Sequence[str]) -> None:
    """Say which files a distribution has: models in packages are found by it. Hashes are in the manifest."""
    folders = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise WheelError(f"{wheel.name}: has {len(folders)} .dist-info folders")
    record = f"{folders.pop()}/RECORD"
    lines = (f"{_quoted(name)},,\n" for name in sorted([*names, record]))
    (site_packages / record).write_text("".join(lines), "utf-8")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- pip, with our own arguments
    if done.returncode != 0:
        last = [line for line in done.stderr.strip().splitlines() if line][-4:]
        raise WheelError(f"{what} failed:\n" + "\n".join(last))
