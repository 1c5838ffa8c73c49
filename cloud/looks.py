"""What each role sees a camera as: whoever asks for the same shares its clips, and nobody else does.

    [receiver] for role and camera, anchors there are for both --hash--> look --> jobs, clips, live views

A look is a hash of all that is asked for, so clips of two roles are the same exactly if their settings are.
What was made under other settings, of another role or of yesterday, is not shown as what is asked for now.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from cloud.access.roles import Role
from cloud.anchor_book import Anchor, AnchorBook
from cloud.config import Config, ConfigError
from cloud.config_receiver import FIGURE, ReceiverTables
from cloud.objects import Objects
from cloud.render.anchors import AnchorError, Anchors, read_anchors
from cloud.store import Store
from cloud.terms import Terms, Thing
from wire.policy import PolicyError, Receiver
from wire.policy.tables import Role as RoleName

_IS_NO_LOOK = ("publish", "keep_days", "viewers")  # of what is asked for, what no clip shows
_ROLES: dict[Role, RoleName] = {Role.VIEWER: "viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; `receiver` names pictures by SHA-256, `things` pairs words with their own."""

    receiver: Receiver
    things: tuple[tuple[str, str], ...]

    @property
    def look(self) -> str:
        said = {
            name: value
            for name, value in msgspec.to_builtins(self.receiver).items()
            if name not in _IS_NO_LOOK
        }
        text = json.dumps([said, self.things], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class AskedLooks:
    """Looks as the settings and the stored anchors have them. Safe to share between threads.

    `base` is what [render] says. Raises AnchorError for a file that cannot be read.
    """

    def __init__(self, tables: ReceiverTables, base: Receiver, book: AnchorBook) -> None:
        self._tables = tables
        self._base = base
        self.book = book
        named = {
            *base.anchors,
            *base.people_anchors,
            *(name for each in tables.tables for name in each.files),
        }
        read = {name: read_anchors([Path(name)]) for name in sorted(named)}
        self._files = {name: each.sha256s[0] for name, each in read.items()}
        self._pictures = {each.sha256s[0]: each.pictures[0] for each in read.values()}

    def look(self, camera: str, role: Role) -> str:
        return self.asked(camera, role).look

    def asked(self, camera: str, role: Role) -> Asked:
        """Put together what a role asks for of a camera."""
        stated = self._tables.asked(self._base, _ROLES[role], camera)
        stored = [each for each in self.book.listed() if each.is_of(camera, role)]
        figure = stated.stand_in
        if figure is not None and figure != FIGURE:
            figure = self._files[figure]
        elif figure is None:
            figure = next((each.sha256 for each in reversed(stored) if each.kind == "stand-in"), None)
        receiver = replace(
            stated,
            anchors=(*self._digests(stated.anchors), *_of_kind(stored, "place")),
            people_anchors=(*self._digests(stated.people_anchors), *_of_kind(stored, "people")),
            stand_in=figure,
        )
        return Asked(receiver, tuple((each.word, each.sha256) for each in stored if each.kind == "thing"))

    def terms(self, camera: str, look: str) -> Terms:
        """Give what is asked for of a camera under a look, with its pictures; without one, as viewers see it.

        Raises PolicyError where no role has that look any more, AnchorError where a picture is gone.
        """
        found = self._find(camera, look)
        if found is None:
            self.book.forget()  # an anchor may have come or gone this second
            found = self._find(camera, look)
        if found is None:
            raise PolicyError("settings have changed since this was asked for: ask again")
        receiver = found.receiver
        figure = receiver.stand_in
        return Terms(
            receiver,
            self._anchors(receiver.anchors),
            self._anchors(receiver.people_anchors),
            tuple(Thing(word, self._anchors([sha256])) for word, sha256 in found.things),
            self._anchors([] if figure in (None, FIGURE) else [str(figure)]),
        )

    def known(self, camera: str) -> Collection[str]:
        """Name the looks of a camera."""
        return {self.look(camera, role) for role in Role}

    def _find(self, camera: str, look: str) -> Asked | None:
        if not look:
            return self.asked(camera, Role.VIEWER)
        asked = (self.asked(camera, role) for role in Role)
        return next((each for each in asked if each.look == look), None)

    def _digests(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._files[name] for name in names)

    def _anchors(self, sha256s: Iterable[str]) -> Anchors:
        named = tuple(sha256s)
        return Anchors(named, tuple(self._picture(sha256) for sha256 in named))

    def _picture(self, sha256: str) -> NDArray[np.uint8]:
        known = self._pictures.get(sha256)
        return self.book.picture(sha256) if known is None else known


def looks_of(config: Config, store: Store, objects: Objects) -> AskedLooks:
    """Give the looks that the settings ask for. Raises ConfigError for a picture that cannot be read."""
    base = config.render.receiver(config.retention.packets_days)
    try:
        return AskedLooks(config.wishes, base, AnchorBook(store, objects))
    except AnchorError as error:
        raise ConfigError(f"anchors of [render] or [receiver]: {error}") from error


def _of_kind(anchors: Iterable[Anchor], kind: str) -> tuple[str, ...]:
    return tuple(each.sha256 for each in anchors if each.kind == kind)
