"""Which release a process is of: its tree has release.json."""

import sys
from functools import lru_cache
from pathlib import Path

from wire.release import DOCUMENT, Manifest, ReleaseError, unsigned


def manifest_of(tree: Path) -> Manifest | None:
    """Read what a tree says that it is; it was verified when it was installed. None where it says nothing.

    Raises ReleaseError where it cannot be understood.
    """
    try:
        data = (tree / DOCUMENT).read_bytes()
    except OSError:
        return None
    return unsigned(data, Manifest)


def id_of(tree: Path) -> str | None:
    """Name the release that a tree is; None where it is none, or cannot be read."""
    try:
        manifest = manifest_of(tree)
    except ReleaseError:
        return None
    return None if manifest is None else manifest.id


@lru_cache(maxsize=1)
def own_release() -> str | None:
    """Name the release that this very process runs from, wherever links lead by now."""
    return id_of(Path(sys.prefix))
