"""What the cloud has set, and the file in which it outlives the process.

    set-policy --> Kept --> FILE (JSON with a checksum, replaced whole, on the disk before it is answered)
                    '--holding()--> what holds beside the device's own settings

What the cloud has set stays, whatever becomes of the process. Where somebody has changed the same key in the
settings since, the stricter of both holds.

Fails closed: where a file cannot be read, nobody knows what was forbidden, so nothing may be looked at.
"""

import hashlib
import os
import stat
import zlib
from collections.abc import Container, Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from edge.allowance import Limits
from edge.asked import OF_DEVICE, OF_LINK, Asked, stricter
from edge.identity_files import sync_folder, write_durably
from wire.documents import Hex16, Value
from wire.policy import Network

MAX_BYTES = 65_536  # of the file: what commands can ask takes a few thousand
WAY_BACK = "have the cloud say what shall hold: set-policy, or reset=true for the device's settings"


class KeptError(ValueError):
    """What was kept cannot be read; the message names the file."""


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """What the cloud has set a key to; `over`: what the settings said of it then, as `mark` makes it."""

    value: Value
    over: Hex16


Wishes = Mapping[str, Wish]


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it: of the device, and of each link by its name ("": none of those that have one)."""

    device: dict[str, Wish] = {}
    links: dict[str, dict[str, Wish]] = {}

    def with_asked(self, asked: Asked, own: Mapping[str, Value], link: str, limits: Limits) -> "Kept":
        """Add what is asked for, where the settings say `own`, and `limits` of the link."""
        if asked.reset:
            return Kept().with_asked(structs.replace(asked, reset=False), own, link, limits)
        values, said = asked.values(), {**own, **asdict(limits)}
        wishes = {name: Wish(value, mark(said[name])) for name, value in values.items()}
        of_link = {name: wish for name, wish in wishes.items() if name in OF_LINK}
        of_device = {name: wish for name, wish in wishes.items() if name not in OF_LINK}
        links = {**self.links, link: self.links.get(link, {}) | of_link} if of_link else self.links
        return Kept(self.device | of_device, links)

    def wishes(self, link: str, inherits: Container[str] = ()) -> Wishes:
        """Give what was set for a link, with keys that it `inherits` from where no link with a name holds."""
        whole = self.links.get("", {})
        return {name: wish for name, wish in whole.items() if name in inherits} | self.links.get(link, {})

    def limits(self, link: str, own: Limits, inherits: Container[str] = ()) -> Limits:
        """Give what holds on a link of which the settings say `own`; what it inherits loosens nothing."""
        wishes, of_link = self.wishes(link, inherits), self.links.get(link, {})
        values = holding(wishes, asdict(own), wishes.keys() - of_link.keys())
        return msgspec.convert(values, Asked).limits(own)


CLOSED = Kept({"off": Wish(True, "0" * 16)})  # noqa: FBT003 -- the value


def holding(wishes: Wishes, own: Mapping[str, Value], bound: Container[str] = ()) -> dict[str, Value]:
    """Give what holds of what was wished, where the settings say `own`; `bound` keys are never loosened."""
    return {
        name: wish.value
        if wish.over == mark(own[name]) and name not in bound
        else stricter(name, wish.value, own[name])
        for name, wish in wishes.items()
    }


def inherited(network: Network, link: str) -> frozenset[str]:
    """Name the limits that a link takes over from [network]."""
    of_link = [each for each in network.link if each.name == link]
    return frozenset(name for each in of_link for name in OF_LINK if getattr(each, name) is UNSET)


def mark(value: Value) -> str:
    """Make a short mark of a value, by which to see that it has changed."""
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    crc32: int
    kept: Raw


class Keeper:
    """Keeps it in a file, if there is a path. `trouble`: why what was kept is not known."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.kept = Kept()
        self.trouble: str | None = None
        try:
            self.kept = Kept() if path is None else read(path)
        except KeptError as error:
            self.kept, self.trouble = CLOSED, str(error)

    def keep(self, kept: Kept) -> None:
        """Keep this from now on, on the disk; where that fails, in this process. Raises OSError."""
        self.kept, self.trouble = kept, None
        if self.path is None:
            return
        if kept != Kept():
            body = msgspec.json.encode(kept)
            write_durably(self.path, msgspec.json.encode(_File(zlib.crc32(body), Raw(body))), 0o600)
        elif os.path.lexists(self.path):
            self.path.unlink()
            sync_folder(self.path.parent)


def read(path: Path) -> Kept:
    """Read what was kept, which is nothing where there is no file. Raises KeptError."""
    try:
        file = msgspec.json.decode(_bytes_of(path), type=_File)
        if zlib.crc32(file.kept) != file.crc32:
            raise KeptError(f"{path}: its checksum is wrong")
        return _checked(msgspec.json.decode(file.kept, type=Kept))
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise KeptError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeptError(f"{path}: {error}") from error


def _checked(kept: Kept) -> Kept:
    """Give it if each value is one that a command may have. Raises msgspec.ValidationError."""
    for wishes in (kept.device, *kept.links.values()):
        msgspec.convert({name: wish.value for name, wish in wishes.items()}, Asked)
    if not kept.device.keys() <= OF_DEVICE or any(not each.keys() <= OF_LINK for each in kept.links.values()):
        raise msgspec.ValidationError("limits belong to links, and all else to the device")
    return kept


def _bytes_of(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise KeptError(f"{path}: is no file")
        return os.read(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)
