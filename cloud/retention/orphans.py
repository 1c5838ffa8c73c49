"""Objects that no row names: a crash, or a store of objects that refused, left them behind.

    clips/ posters/ tails/    FINGERPRINT-FENCE.suffix     named by a clip   | younger than a day | orphan
    anchors/                  SHA256.jpg                   named by a use    | younger than a day | orphan

A clip's objects are there before its row is. So only what has been there for a day is looked at, which is far
longer than an upload takes; names are looked up after objects were listed. What has another name is not ours.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.anchor_book import picture_key
from cloud.objects import Listed, Objects
from cloud.schema import AnchorRow
from cloud.shelf import named
from cloud.store import Store

GRACE_MS = 86_400_000
_FOLDERS = ("clips", "posters", "tails")
PICTURES = "anchors"
_OURS = re.compile(
    r"(clips|posters|tails)/[0-9a-f]{64}(-[0-9]{1,19})?\.(mp4|jpg|png)|anchors/[0-9a-f]{64}\.jpg"
)


def orphans(store: Store, objects: Objects, now_ms: int) -> Iterator[Sequence[Listed]]:
    """Find them, some of one folder at a time. Raises StoreError, ObjectsError."""
    before_ms = now_ms - GRACE_MS
    for folder in (*_FOLDERS, PICTURES):
        for listed in objects.listed(folder):
            old = [each for each in listed if each.modified_ms < before_ms and _OURS.fullmatch(each.key)]
            found = _unnamed(store, old) if old else []
            if found:
                yield found


def _unnamed(store: Store, listed: Sequence[Listed]) -> list[Listed]:
    with store.read() as session:
        keys = [each.key for each in listed]
        kept = named(session, keys) | used(session, keys)
    return [each for each in listed if each.key not in kept]


def used(session: Session, keys: Sequence[str]) -> set[str]:
    """Give those of `keys` that are a picture which an anchor uses."""
    found = {key: PurePosixPath(key).stem for key in keys if key.startswith(f"{PICTURES}/")}
    if not found:
        return set()
    query = select(AnchorRow.sha256).where(AnchorRow.sha256.in_(found.values()))
    return {picture_key(sha256) for sha256 in session.scalars(query)}
