"""The rim of `mirage deploy release`: a fleet file in; an archive, and what devices fetch, out."""

import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from mirage.deploy.device import Platform
from mirage.deploy.fleet import Fleet
from mirage.deploy.release.build import agent_tree, bundle_tree
from mirage.deploy.release.checks import release_key
from mirage.deploy.release.keys import read_key
from mirage.deploy.release.platforms import TARGETS
from mirage.deploy.release.publish import Packed, publish, read_base, to_pack
from mirage.deploy.release.trees import write_archive
from mirage.deploy.release.wheels import build, fetch
from mirage.errors import InputError, OutputError
from mirage.output import make_parent
from wire.bundle import Bundle
from wire.release import DOCUMENT, Manifest

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*[A-Za-z0-9.+]{0,32}")

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: an agent for `platform`, or, without one, the bundle. `folder`: of the fleet file."""

    fleet: Fleet
    folder: Path
    platform: Platform | None
    output: Path
    wheels: Path
    key: Path | None = None
    archive: Path | None = None
    version: str | None = None
    bases: tuple[Path, ...] = ()
    lock: Path | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was made."""

    id: str
    kind: str
    name: str
    version: str
    platform: str
    files: int
    bytes: int
    archive: str
    published: str
    document_bytes: int
    packs: tuple[Packed, ...]


def run(order: Order, bar: Bar) -> Report:
    """Build, sign, archive and publish. Raises what the parts raise, and InputError, OutputError."""
    public = release_key(order.fleet, order.folder)
    named = order.folder / str(order.fleet.release.key)
    key = read_key(order.key or named.with_suffix(".key"), public)
    version = order.version or order.fleet.release.version
    if not _VERSION.fullmatch(version):
        raise InputError(
            f"--version {version!r}: is not digits and dots, as 1.2.0, perhaps with letters behind"
        )
    with tempfile.TemporaryDirectory(prefix="mirage-release-") as name:
        tree = Path(name) / "tree"
        manifest = _manifest(order, version, Path(name), tree)
        bases = [read_base(source, manifest, key) for source in order.bases]
        with bar("bytes packed", to_pack(manifest, bases)) as done:
            packs = publish(tree, manifest, bases, order.output, key, done)
        archive = order.archive or _archive_path(order, manifest)
        _write_archive(archive, tree, manifest)
    return Report(
        manifest.id,
        manifest.kind,
        manifest.name,
        manifest.version,
        manifest.platform,
        len(manifest.entries),
        manifest.size,
        str(archive),
        str(order.output / manifest.id),
        (order.output / manifest.id / DOCUMENT).stat().st_size,
        packs,
    )


def lines_of(report: Report) -> Sequence[Table | str]:
    """Say for people what was made, and what each way to it costs."""
    whole = next(pack.size for pack in report.packs if pack.base is None)
    table = Table("a device that has", "fetches", "files", "of all bytes", "of the whole pack", box=None)
    for pack in report.packs:
        had = "nothing" if pack.base is None else f"{pack.base_version}  {pack.base}"
        shares = (f"{pack.size / report.bytes:.2%}", f"1/{whole / pack.size:.3g}")
        table.add_row(had, f"{pack.size:,}", f"{pack.files:,}", *shares)
    what = f"{report.kind} {report.name} {report.version} for {report.platform}: release {report.id}"
    return (
        f"{what}, {report.files:,} files, {report.bytes:,} bytes",
        f"archive    {report.archive}",
        f"published  {report.published}",
        table,
    )


def _manifest(order: Order, version: str, work: Path, tree: Path) -> Manifest:
    if order.platform is None:
        bundle = Bundle.load(order.folder / order.fleet.bundle.path, "edge")
        tree.mkdir()
        return bundle_tree(bundle, version, tree)
    target = TARGETS[order.platform]
    wheels = fetch(target, order.lock or target.lock, order.wheels, offline=order.offline)
    return agent_tree(target, version, [*wheels, build(version, work / "own")], tree)


def _archive_path(order: Order, manifest: Manifest) -> Path:
    """Say where the fleet file has the archive of its version, or where it could have it.

    Another version goes beside it: what the fleet file names may be its base.
    """
    if order.platform is None:
        named, other = order.fleet.bundle.archive, f"bundle-{manifest.name}-{manifest.version}"
    else:
        named = order.fleet.release.archives.get(order.platform)
        other = f"mirage-{manifest.version}-{manifest.platform}"
    is_of_this = manifest.version == order.fleet.release.version
    return order.folder / (named if named is not None and is_of_this else f"release/{other}.tar")


def _write_archive(path: Path, tree: Path, manifest: Manifest) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, name a file")
    make_parent(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            write_archive(tree, manifest, (tree / DOCUMENT).read_bytes(), file)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
