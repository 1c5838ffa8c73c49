"""Small releases: a tree on disk, signed."""

import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mirage.deploy.device import Platform
from mirage.deploy.release.trees import read_entries, write_archive
from wire.release import Manifest, sign

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
FILES = {"bin/mirage": b"#!/bin/sh\n", "lib/a.py": b"a = 1\n", "lib/b/c.py": b"c = 2\n", "lib/empty.py": b""}


def agent(entries: Path, version: str = "0.1.0", platform: Platform = "amd64") -> Manifest:
    """Say what lies in a folder, as an agent's release."""
    return Manifest("agent", "mirage", version, platform, read_entries(entries), python="3.11")


def folder(at: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write files, and the link to the system's Python."""
    for name, content in (FILES if files is None else files).items():
        path = at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    (at / "bin").mkdir(exist_ok=True)
    (at / "bin/python").symlink_to("/usr/bin/python3")
    return at


def archive(
    at: Path,
    files: dict[str, bytes] | None = None,
    key: Ed25519PrivateKey = KEY,
    version: str = "0.1.0",
    platform: Platform = "amd64",
) -> Path:
    """Write a signed archive, anew where there is one."""
    shutil.rmtree(at.with_name(f"{at.name}.tree"), ignore_errors=True)
    tree = folder(at.with_name(f"{at.name}.tree"), files)
    manifest = agent(tree, version, platform)
    with at.open("wb") as file:
        write_archive(tree, manifest, sign(manifest, key), file)
    return at
