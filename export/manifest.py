"""Writing bundle.toml, and putting a finished bundle in its place."""

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import tomli_w

from wire.bundle import MANIFEST, Manifest
from wire.toml import TomlError, parse_as

_LOCK, _SCRATCH, _BEFORE = ".build.lock", ".build-", ".before"


class BusyError(RuntimeError):
    """Two builds of one bundle at once; the message names the folder."""


def write_manifest(made: Path, fields: Mapping[str, object]) -> None:
    """Write bundle.toml into `made`, with the hash of every file that is there; `fields` are the others."""
    files = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    hashes = {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in files}
    manifest = msgspec.convert({"schema": 1, **fields, "files": hashes}, Manifest)
    document = _without_nothing(msgspec.to_builtins(manifest))
    (made / MANIFEST).write_bytes(tomli_w.dumps(document).encode())


@contextmanager
def workplace(bundle: Path) -> Iterator[Path]:
    """Give a temporary folder inside `bundle`, for one build at a time; raises BusyError.

    What a build that was killed left behind is removed, but for the old bundle, which is put back.
    """
    bundle.mkdir(parents=True, exist_ok=True)
    lock = bundle / _LOCK
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(f"{bundle}: is being built by another process") from error
        try:
            for left in bundle.glob(f"{_SCRATCH}*"):
                _recover(left / _BEFORE, bundle)
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=bundle, prefix=_SCRATCH) as scratch:
                yield Path(scratch)
        finally:
            lock.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                bundle.rmdir()  # if nothing came of it


def publish(made: Path, bundle: Path) -> None:
    """Let the new files take the place of the old bundle's, all or none; what only that had is removed.

    Until all are there the folder has no manifest: it is no bundle then, and never a wrong one.
    """
    files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    files.sort(key=lambda name: name.name == MANIFEST)
    touched = sorted({*_named_in(bundle), *files} - {Path(MANIFEST)})
    aside = made / _BEFORE
    with ExitStack() as undo:
        for name in (Path(MANIFEST), *touched):
            _move(bundle / name, aside / name, undo)
        for name in files:
            _move(made / name, bundle / name, undo)
        undo.pop_all()  # nothing failed
    shutil.rmtree(aside, ignore_errors=True)  # there is none for a first bundle


def _recover(aside: Path, bundle: Path) -> None:
    """Put back the old bundle, where a build was killed before the new one was there."""
    if (aside / MANIFEST).exists() and not (bundle / MANIFEST).exists():
        with ExitStack() as undo:
            for path in sorted(aside.rglob("*"), key=lambda path: path.name == MANIFEST):
                if path.is_file():
                    _move(path, bundle / path.relative_to(aside), undo)
            undo.pop_all()


def _named_in(bundle: Path) -> list[Path]:
    """List the files of the bundle that is there, if it can be read."""
    try:
        manifest = parse_as((bundle / MANIFEST).read_bytes(), Manifest, MANIFEST)
    except (OSError, TomlError):
        return []
    return [Path(name) for name in manifest.files]


def _move(source: Path, target: Path, undo: ExitStack) -> None:
    """Move a file, if it is there; `undo` moves it back."""
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        undo.callback(target.replace, source)


def _without_nothing(table: dict[str, object]) -> dict[str, object]:
    """Leave out what is None, which TOML cannot say, and empty tables."""
    kept: dict[str, object] = {}
    for name, value in table.items():
        inner = _without_nothing(value) if isinstance(value, dict) else value
        if inner is not None and inner != {}:
            kept[name] = inner
    return kept
