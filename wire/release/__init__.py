"""Releases: what devices run, signed by its maker, and how it gets there in few bytes.

    paths.py       where files may lie
    documents.py   Manifest (release.json: every file and its hash), Index (index.json: which packs there are)
    signing.py     Ed25519
    pack.py        the files that a base has not, compressed, or as patches of those that it has
    stream.py      bytes that come in parts

Pure: no clock, no files.
"""

from wire.release.documents import DOCUMENT, MAX_DOCUMENT, Entry, Index, Manifest, Pack, ReleaseError
from wire.release.pack import MAX_PATCH, Source, Unpacker, sources
from wire.release.signing import public_key, sign, unsigned, verify

__all__ = [
    "DOCUMENT",
    "MAX_DOCUMENT",
    "MAX_PATCH",
    "Entry",
    "Index",
    "Manifest",
    "Pack",
    "ReleaseError",
    "Source",
    "Unpacker",
    "public_key",
    "sign",
    "sources",
    "unsigned",
    "verify",
]
