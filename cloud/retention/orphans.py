"""Objects that no clip names: a crash, or a store of objects that refused, left them behind.

    clips/ posters/ tails/    FINGERPRINT-FENCE.suffix     named by a clip | younger than a day | orphan

A clip's objects are there before its row is. So only what has been there for a day is looked at, which is far
longer than an upload takes; names are looked up after objects were listed. What has another name is not ours.
"""

import re
from collections.abc import Iterator, Sequence

from cloud.objects import Listed, Objects
from cloud.shelf import named
from cloud.store import Store

GRACE_MS = 86_400_000
_FOLDERS = ("clips", "posters", "tails")
_OURS = re.compile(r"(clips|posters|tails)/[0-9a-f]{64}(-[0-9]{1,19})?\.(mp4|jpg|png)")


def orphans(store: Store, objects: Objects, now_ms: int) -> Iterator[Sequence[Listed]]:
    """Find them, some at a time. Raises StoreError, ObjectsError."""
    before_ms = now_ms - GRACE_MS
    for folder in _FOLDERS:
        for listed in objects.listed(folder):
            old = [each for each in listed if each.modified_ms < before_ms and _OURS.fullmatch(each.key)]
            found = _unnamed(store, old) if old else []
            if found:
                yield found


def _unnamed(store: Store, listed: Sequence[Listed]) -> list[Listed]:
    with store.read() as session:
        kept = named(session, [each.key for each in listed])
    return [each for each in listed if each.key not in kept]
