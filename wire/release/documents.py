"""What a release is: the list of its files, and the packs that bring them. `signing.py` says by whom.

Canonical bytes: JSON as msgspec writes the fields in their order, defaults left out. Whatever is written in
another way is refused, so that a release has one form, and one id.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from wire.release.paths import PathError, check_link, check_path, check_paths

DOCUMENT = "release.json"  # where the signed manifest lies in its tree; it does not list itself
MAX_DOCUMENT = 16 << 20  # bytes
MAX_ENTRIES = 100_000
MAX_FILE = 8 << 30
MAX_TREE = 16 << 30  # bytes of all files

EMPTY_SHA256 = hashlib.sha256().hexdigest()

Kind = Literal["agent", "bundle"]
Platform = Literal["amd64", "arm64", "jetpack6", "jetpack7", "any"]
Hex16 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
Version = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.+-]{0,63}\Z")]
Python = Annotated[str, Meta(pattern=r"\A3\.[0-9]{1,2}\Z")]


class ReleaseError(ValueError):
    """The document or pack is damaged, not understood, not signed by who may, or says what must not be."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file (`size` bytes of `sha256`; 0755 if `executable`, else 0644) or a `link`, at `path`."""

    path: str
    size: Annotated[int, Meta(ge=0, le=MAX_FILE)] = 0
    sha256: Sha256 = EMPTY_SHA256
    executable: bool = False
    link: str | None = None

    def __post_init__(self) -> None:
        check_path(self.path)
        if self.link is not None and (self.size or self.sha256 != EMPTY_SHA256 or self.executable):
            raise ValueError(f"{self.path!r} is a link and a file at once")
        if (self.size == 0) != (self.sha256 == EMPTY_SHA256):
            raise ValueError(f"{self.path!r}: size {self.size} is not that of its sha256")

    @property
    def mode(self) -> int:
        """Permissions of a file."""
        return 0o755 if self.executable else 0o644


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All files and links of a tree, sorted by path. `python` is what an agent runs on.

    `bundle_sha256` is a bundle's own hash, that of its bundle.toml.
    """

    kind: Kind
    name: Name
    version: Version
    platform: Platform
    entries: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=MAX_ENTRIES)]
    python: Python | None = None
    bundle_sha256: Sha256 | None = None
    schema: Annotated[int, Meta(ge=1, le=1)] = 1

    def __post_init__(self) -> None:
        if (self.kind == "agent") != (self.python is not None):
            raise ValueError("an agent needs python, nothing else has it")
        if (self.kind == "bundle") != (self.bundle_sha256 is not None):
            raise ValueError("a bundle needs bundle_sha256, nothing else has it")
        if (self.kind == "bundle") != (self.platform == "any"):
            raise ValueError(f"platform {self.platform!r} is not for kind {self.kind!r}")
        if self.size > MAX_TREE:
            raise ValueError(f"{self.size} bytes are more than {MAX_TREE}")
        check_paths([entry.path for entry in self.entries])
        if any(entry.path.casefold().split("/")[0] == DOCUMENT for entry in self.entries):
            raise ValueError(f"{DOCUMENT} is where the manifest lies")
        files = {entry.path for entry in self.files()}
        for entry in self.entries:
            if entry.link is not None:
                check_link(entry.path, entry.link, files, is_agent=self.kind == "agent")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    @property
    def id(self) -> str:
        """What the release is called: 16 hex digits of its hash."""
        return hashlib.sha256(canonical(self)).hexdigest()[:16]

    def files(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.link is None)


class Pack(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file that makes the release out of the release `base`, or out of nothing."""

    size: Annotated[int, Meta(ge=1, le=MAX_TREE)]
    sha256: Sha256
    base: Hex16 | None = None

    @property
    def name(self) -> str:
        """Where it lies below the release: packs/NAME.pack."""
        return self.base or "whole"


class Index(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is there to fetch of a release; says enough to refuse it before it is fetched."""

    release: Hex16
    kind: Kind
    name: Name
    version: Version
    platform: Platform
    size: Annotated[int, Meta(ge=0, le=MAX_TREE)]
    packs: Annotated[tuple[Pack, ...], Meta(min_length=1, max_length=64)]
    python: Python | None = None
    schema: Annotated[int, Meta(ge=1, le=1)] = 1

    def __post_init__(self) -> None:
        bases = [pack.base for pack in self.packs]
        if len(set(bases)) != len(bases) or None not in bases:
            raise ValueError("packs need each base once, and a whole one")

    def pack(self, base: str | None) -> Pack:
        """Give the pack for who has `base`; the whole one for anybody else."""
        by_base = {pack.base: pack for pack in self.packs}
        return by_base.get(base, by_base[None])


Document = TypeVar("Document", Manifest, Index)


def canonical(document: Manifest | Index) -> bytes:
    """Write a document in its one form."""
    return msgspec.json.encode(document)


def parse(data: bytes, kind: type[Document]) -> Document:
    """Read an unsigned document, or raise ReleaseError."""
    if len(data) > MAX_DOCUMENT:
        raise ReleaseError(f"{len(data)} bytes are more than {MAX_DOCUMENT}")
    try:
        document = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, PathError, UnicodeDecodeError, RecursionError) as error:
        raise ReleaseError(f"no {kind.__name__.lower()} of a release: {error}") from error
    if canonical(document) != data:
        raise ReleaseError(f"{kind.__name__.lower()} is not written in its one form")
    return document
