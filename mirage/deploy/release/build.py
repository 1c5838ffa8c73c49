"""The tree of a release: an agent's out of wheels, a bundle's out of its folder. Same inputs, same bytes."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from mirage.deploy.release.platforms import NVIDIAS, Target
from mirage.deploy.release.trees import read_entries
from mirage.deploy.release.trim import is_kept
from mirage.deploy.release.wheels import unpack
from wire.bundle import MANIFEST, Bundle
from wire.release import Entry, Manifest
from wire.release.documents import canonical, parse

# Isolated: what lies in the working directory, or PYTHONPATH, must not run as root, who updates with this.
_PROGRAM = """#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -I -m mirage "$@"
"""


class BuildError(ValueError):
    """What should become a release cannot; the message says why."""


def agent_tree(target: Target, version: str, wheels: Iterable[Path], folder: Path) -> Manifest:
    """Lay wheels out as a tree that runs in any slot. Raises BuildError, WheelError, TreeError."""
    packages = folder / target.site_packages
    packages.mkdir(parents=True)
    for wheel in wheels:
        unpack(wheel, packages, is_kept)
    if target.with_system:
        _refuse_nvidias(packages, target)
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to("/usr/bin/python3")
    _write(folder / "bin/mirage", _PROGRAM, 0o755)
    system = str(target.with_system).lower()
    _write(
        folder / "pyvenv.cfg",
        f"home = /usr/bin\ninclude-system-site-packages = {system}\nversion = {target.python}\n",
    )
    found = _version_of(packages)
    if found != version:
        raise BuildError(f"mirage-video in the tree is version {found}, not {version}")
    _set_modes(folder)
    return _valid(
        lambda entries: Manifest("agent", "mirage", version, target.platform, entries, python=target.python),
        folder,
    )


def bundle_tree(bundle: Bundle, version: str, folder: Path) -> Manifest:
    """Copy what a device reads of a bundle, and what its engines are verified with. Raises BundleError."""
    golden = bundle.manifest.golden
    names = {MANIFEST, *bundle.manifest.edge_files(), *([] if golden is None else [golden])}
    if golden is not None:
        bundle.check(golden)
    for name in sorted(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.root / name, path)
    _set_modes(folder)
    kept = Bundle.load(folder, "edge")
    name, sha256 = kept.manifest.name, kept.sha256
    return _valid(
        lambda entries: Manifest("bundle", name, version, "any", entries, bundle_sha256=sha256), folder
    )


def _valid(make: Callable[[tuple[Entry, ...]], Manifest], folder: Path) -> Manifest:
    """Give the manifest of a folder, if devices would take it."""
    try:
        return parse(canonical(make(read_entries(folder))), Manifest)
    except ValueError as error:
        raise BuildError(f"no device would take this: {error}") from error


def _refuse_nvidias(packages: Path, target: Target) -> None:
    for path in packages.iterdir():
        name = path.name.split("-")[0].split(".")[0].lower().replace("_", "-")
        if name in NVIDIAS or name.startswith(("opencv", "nvidia-", "tensorrt-")):
            raise BuildError(f"{path.name} would hide NVIDIA's own build on {target.platform}")


def _version_of(packages: Path) -> str | None:
    from importlib.metadata import distributions

    found = [each.version for each in distributions(name="mirage-video", path=[str(packages)])]
    return found[0] if found else None


def _set_modes(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755 if path == folder / "bin/mirage" else 0o644)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text, "utf-8")
    path.chmod(mode)
