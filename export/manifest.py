"""Writing bundle.toml, and putting a finished bundle in its place."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import tomli_w

from wire.bundle import MANIFEST, Manifest


def write_manifest(made: Path, fields: Mapping[str, object]) -> None:
    """Write bundle.toml into `made`, with the hash of every file that is there; `fields` are the others."""
    files = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    hashes = {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in files}
    manifest = msgspec.convert({"schema": 1, **fields, "files": hashes}, Manifest)
    document = _without_nothing(msgspec.to_builtins(manifest))
    (made / MANIFEST).write_bytes(tomli_w.dumps(document).encode())


def publish(made: Path, bundle: Path) -> None:
    """Move the new files over the old ones, the manifest last: until then the old hashes do not match."""
    files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    for name in sorted(files, key=lambda f: f.name == MANIFEST):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(bundle / name)


def _without_nothing(table: dict[str, object]) -> dict[str, object]:
    """Leave out what is None, which TOML cannot say, and empty tables."""
    kept: dict[str, object] = {}
    for name, value in table.items():
        inner = _without_nothing(value) if isinstance(value, dict) else value
        if inner is not None and inner != {}:
            kept[name] = inner
    return kept
