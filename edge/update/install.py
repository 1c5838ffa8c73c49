"""From an order to a tree that is proved, in a place where nothing runs.

    index.json, signed -> fits this device? -> smallest pack that will do -> tree -> compiled, synced, read
    '-- no pack is fetched before it is clear what it is, who signed it, and what it takes --'

A tree that was whole before (tried, and not kept) is used again, without the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge.enrolment_client import RefusedError
from edge.identity_files import write_durably
from edge.update import tree as trees
from edge.update.fetch import Fetcher, Purse
from edge.update.machine import Machine
from edge.update.racks import COMMITTED, Rack
from edge.update.running import manifest_of
from edge.update.settings import UpdateConfig, read_key
from edge.update.state import State, Work, part_of
from edge.update.versions import is_older
from wire.release import Index, Manifest, Pack, ReleaseError, public_key, verify

MAX_INDEX = 32_768  # bytes
_COMPILED = 1.4  # a tree with what is compiled of it, for one without
_ROOM = 16 << 20  # bytes that stay free

log = structlog.get_logger()

Save = Callable[..., None]


class UnfitError(RefusedError):
    """The release is not for this device, or not any more."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where and with what an installation works; `save` changes the state, durably, before it goes on."""

    config: UpdateConfig
    machine: Machine
    rack: Rack
    fetcher: Fetcher
    state: Callable[[], State]
    save: Save

    @property
    def work(self) -> Work:
        work = self.state().work
        assert work is not None  # noqa: S101 -- there is an order as long as there is a site
        return work


def install(site: Site, purse: Purse) -> None:
    """Bring what was ordered to its place, wherever it was cut off.

    Raises RefusedError, UpdateConfigError, ReleaseError, OSError.
    """
    key = read_key(site.config)
    index = _index(site, purse, key)
    check_fit(index, site.machine, site.state().floors, site.rack)
    place = _place(site, index)
    if site.state().ready.get(place) == index.release and _is_whole(site.rack.tree(place), index):
        log.info("is there already", release=index.release, place=place)
        site.save(place=place, name=index.name, version=index.version)
        return
    site.save(place=place, name=index.name, version=index.version, forget=place)
    site.rack.clear(place)  # of a run that was cut off, too
    base, pack = _cheapest(site.rack, index)
    part = part_of(site.config.folder, index.release, pack.sha256)
    _fetched(site, index, pack, part, purse)
    site.save(step="installing")
    _built(site, place, pack, part, base, key)
    site.save(ready=place)
    forget_parts(site.config.folder)


def check_fit(index: Index, machine: Machine, floors: dict[str, str], rack: Rack) -> None:
    """Raise UnfitError unless a release is of this kind, for this machine, and no step back."""
    if index.kind != rack.kind:
        raise UnfitError(f"release {index.release} is of kind {index.kind}, not {rack.kind}")
    if index.kind == "agent" and index.platform != machine.platform():
        raise UnfitError(f"it is for {index.platform}, this is {machine.platform()}")
    if index.python is not None and index.python != machine.python():
        raise UnfitError(f"it is for Python {index.python}, this is {machine.python()}")
    for floor in (floors.get(floor_of(index.kind, index.name)), _version(rack, index.name)):
        if floor is not None and is_older(index.version, floor):
            raise UnfitError(f"version {index.version} is older than {floor}, which ran here")


def floor_of(kind: str, name: str) -> str:
    """Name what versions are compared within: bundles of different names are not."""
    return f"{kind}/{name}"


def _version(rack: Rack, name: str) -> str | None:
    """Say which version of a name is known to be good."""
    committed = _committed(rack)
    return committed.version if committed is not None and committed.name == name else None


def _committed(rack: Rack) -> Manifest | None:
    place = rack.place(COMMITTED)
    try:
        return None if place is None else manifest_of(rack.tree(place))
    except ReleaseError:
        return None


def _index(site: Site, purse: Purse, key: bytes) -> Index:
    """Give the index that the order was begun with, or get it."""
    work = site.work
    path = site.config.folder / f"{work.id}.index"
    if path.exists():
        data = path.read_bytes()
    else:
        data = site.fetcher.small(f"{work.id}/index.json", MAX_INDEX, purse)
        _verified(data, work.id, key)
        write_durably(path, data, 0o644)
    return _verified(data, work.id, key)


def _verified(data: bytes, release: str, key: bytes) -> Index:
    index = verify(data, Index, public_key(key))
    if index.release != release:
        raise ReleaseError(f"the index is of release {index.release}, not of {release}")
    return index


def _place(site: Site, index: Index) -> str:
    return site.work.place or site.rack.free_place(index.name, index.release)


def _is_whole(tree: Path, index: Index) -> bool:
    try:
        manifest = manifest_of(tree)
        if manifest is None or manifest.id != index.release:
            return False
        trees.check(tree, manifest)
    except (ReleaseError, OSError) as error:
        log.info("what is there is of no use", reason=str(error))
        return False
    return True


def _cheapest(rack: Rack, index: Index) -> tuple[Path | None, Pack]:
    """Choose the pack for what is known to be good here, if that is as it should be; else the whole one."""
    committed, place = _committed(rack), rack.place(COMMITTED)
    whole = index.pack(None)
    if committed is None or place is None:
        return None, whole
    pack = index.pack(committed.id)
    if pack.base is None or pack.size >= whole.size:
        return None, whole
    base = rack.tree(place)
    try:
        trees.check(base, committed)
    except (ReleaseError, OSError) as error:
        log.warning("what runs here is damaged, so all of the release is fetched", reason=str(error))
        return None, whole
    return base, pack


def _fetched(site: Site, index: Index, pack: Pack, part: Path, purse: Purse) -> None:
    """Have the whole pack in `part`. One that was gathered in pieces, and is wrong, is fetched once more."""
    folder = site.config.folder
    forget_parts(folder, part.name)
    site.save(size=pack.size, pack=pack.sha256)
    path = f"{index.release}/packs/{pack.name}.pack"
    for in_pieces in (part.exists(), False):
        have = part.stat().st_size if part.exists() else 0
        _check_room(site, index, pack.size - min(have, pack.size))
        site.fetcher.large(path, part, pack.size, purse)
        if trees.is_whole(part, pack):
            return
        part.unlink()
        if not in_pieces:
            break
        log.warning("what was gathered is not the pack, and is fetched once more", path=path)
    raise ReleaseError(f"{path}: is not what the index says")


def forget_parts(folder: Path, but: str | None = None) -> None:
    """Remove what was gathered, but for one pack."""
    for part in folder.glob("*.part*"):
        if but is None or not part.name.startswith(but):
            part.unlink()


def _check_room(site: Site, index: Index, to_come: int) -> None:
    factor = _COMPILED if index.kind == "agent" else 1.0
    need = to_come + round(index.size * factor) + _ROOM
    free = site.machine.free_bytes(site.config.folder)
    if free < need:
        root = site.config.root
        raise UnfitError(f"no room: {need >> 20} MiB are needed below {root}, {free >> 20} are free")


def _built(site: Site, place: str, pack: Pack, part: Path, base: Path | None, key: bytes) -> None:
    tree = site.rack.tree(place)
    manifest = trees.unpack(part, pack, site.work.id, key, base, tree)
    check_same(manifest, site.work, site.rack.kind)
    if manifest.kind == "agent":
        trees.compile_python(tree)
    trees.sync(tree)
    trees.check(tree, manifest)


def check_same(manifest: Manifest, work: Work, kind: str) -> None:
    """Raise ReleaseError unless the release is what its index said: both are signed, maybe for others."""
    if (manifest.kind, manifest.name, manifest.version) != (kind, work.name, work.version):
        what = f"{manifest.kind} {manifest.name} {manifest.version}"
        raise ReleaseError(f"release {manifest.id} is {what}, not what its index says")
