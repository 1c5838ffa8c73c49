"""Brings a board up over ssh, as far as it is not yet: what it has says what is left, so any run goes on.

ask --> release --> bundle --> units --> settings --> start
"""

import hashlib
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mirage.deploy.device import Device
from mirage.deploy.flashing import DATA
from mirage.deploy.fleet import Fleet
from mirage.deploy.materials import Materials, read_materials
from mirage.deploy.provision import board as boards
from mirage.deploy.provision import files
from mirage.deploy.provision.board import Board
from mirage.deploy.provision.remote import Done, Host, RemoteError, Script
from mirage.deploy.provision.scripts import Archive, Scripts
from mirage.deploy.release.checks import check_archive, release_key
from mirage.deploy.release.trees import TreeError, check_tree, read_document
from mirage.deploy.seed import commands_of, files_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_PART = 1 << 20

Bar = Callable[[str, int], AbstractContextManager[Done]]
Say = Callable[[str], None]


class ProvisionError(ValueError):
    """The board cannot become this device; the message says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be put onto which board."""

    fleet: Fleet
    device: Device
    host: Host
    agent: Archive
    bundle: Archive
    materials: Materials
    scripts: Scripts


def prepare(fleet: Fleet, folder: Path, device: Device, host: Host, scripts: Scripts | None = None) -> Job:
    """Read and verify all that is needed here. Raises TreeError, MaterialError."""
    check_archive(fleet, device.platform, folder)
    if fleet.bundle.archive is None:
        raise TreeError("bundle.archive is not set: `mirage deploy release --bundle` makes it")
    bundle = folder / fleet.bundle.archive
    if not bundle.exists():
        raise TreeError(f"{bundle}: no such file (bundle.archive): `mirage deploy release --bundle` makes it")
    key = release_key(fleet, folder)
    agent = folder / fleet.release.archives[device.platform]
    archives = {kind: _archive(path, kind, key) for kind, path in (("agent", agent), ("bundle", bundle))}
    materials = read_materials(fleet, device, folder)
    both = (archives["agent"], archives["bundle"])
    return Job(fleet, device, host, *both, materials, scripts or Scripts())


def dry_run(job: Job) -> Iterator[str]:
    """Say every command, as far as it does not depend on what the board has."""
    scripts = job.scripts
    by = shlex.join(job.host.command(Script("SCRIPT")))
    yield f"# by {by}"
    yield from _shown("what is it?", boards.asking(scripts.root))
    for name, archive in (("release", job.agent), ("bundle", job.bundle)):
        yield from _shown(f"{name}: is it there?", scripts.has(archive, document_sha256(archive)))
        yield from _shown(f"{name}: how much of it?", scripts.size(archive))
        yield from _shown(f"{name}: {archive.path}, from there on", scripts.append(archive))
        yield from _shown(f"{name}: unpack", scripts.unpack(archive))
    yield from _shown("units and the agent's user, from here", scripts.lay())
    yield from _shown("units: read", scripts.user())
    wanted = ", ".join(sorted(files_of(job.fleet, job.device, job.materials)))
    yield from _shown(f"settings, from here: {wanted}", scripts.lay())
    yield from _shown("start", scripts.start(commands_of(job.fleet, job.device)))
    yield from _shown("clean", scripts.clean())


def provision(job: Job, say: Say, bar: Bar) -> Board:
    """Do it. Raises ProvisionError before anything is changed, and RemoteError: then it can be done again."""
    host, scripts = job.host, job.scripts
    board = boards.read(host.run(boards.asking(scripts.root)))
    say(f"{host.name}: {board.system}, {board.machine}, Python {board.python}, systemd {board.systemd}")
    needed = sum(2 * each.bytes for each in (job.agent, job.bundle))
    troubles = boards.troubles(job.fleet, job.device, board, job.agent.manifest, needed)
    if troubles:
        raise ProvisionError("; ".join(troubles))
    for name, archive in (("release", job.agent), ("bundle", job.bundle)):
        _bring(job, name, archive, say, bar, is_enrolled=board.is_enrolled)
    say("# units")
    host.feed(scripts.lay(), files.units(DATA))
    host.run(scripts.user())
    say(f"# settings{', and no claim: it is enrolled' if board.is_enrolled else ''}")
    wanted = files_of(job.fleet, job.device, job.materials)
    host.feed(scripts.lay(), files.settings(wanted, with_claim=not board.is_enrolled))
    say("# start")
    host.run(scripts.start(commands_of(job.fleet, job.device)))
    host.run(scripts.clean())
    return board


def _bring(job: Job, name: str, archive: Archive, say: Say, bar: Bar, *, is_enrolled: bool) -> None:
    host, scripts = job.host, job.scripts
    what = f"# {name} {archive.manifest.version} ({archive.manifest.id})"
    if host.run(scripts.has(archive, document_sha256(archive))).strip() == "yes":
        say(f"{what}: is there")
        return
    if is_enrolled:
        raise ProvisionError(
            f"it is enrolled, and runs another {name}: `mirage deploy update` brings this one"
        )
    have = _bytes_there(host, scripts.size(archive))
    say(f"{what}{f', from byte {have} on' if 0 < have < archive.bytes else ''}")
    if have < archive.bytes:
        with archive.path.open("rb") as file, bar(name, archive.bytes) as done:
            file.seek(have)
            done(have)
            host.stream(scripts.append(archive), file, done)
    host.run(scripts.unpack(archive))


def _bytes_there(host: Host, script: Script) -> int:
    said = host.run(script).strip() or "0"
    if not (said.isascii() and said.isdigit() and len(said) < 19):
        raise RemoteError(f"{host.name}: says {said[:40]!r}, which is no number of bytes")
    return int(said)


def _archive(path: Path, kind: str, key: "Ed25519PublicKey") -> Archive:
    manifest = check_tree(path, key)
    if manifest.kind != kind:
        raise TreeError(f"{path}: is of kind {manifest.kind}, not {kind}")
    return Archive(path, manifest, path.stat().st_size, _sha256(path))


def _shown(what: str, script: Script) -> Iterator[str]:
    yield f"# {what}"
    yield script.text


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def document_sha256(archive: Archive) -> str:
    """Give the SHA-256 of its release.json, by which the board's is compared."""
    return hashlib.sha256(read_document(archive.path)).hexdigest()
