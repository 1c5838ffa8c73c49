"""The settings of what is asked of reconstructions, by role and camera: [receiver]. Pure.

    built in  <  [render]  <  [receiver]  <  [[receiver.camera]]  <  [receiver.viewer]   each goes before
                                             that match, in order    or operator, admin  those to its left
              <  [[receiver.camera]] with a role, that match, in order

What nobody states is left to whoever comes before. Where a sender allows less, that is what is made.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from wire.policy import Receiver
from wire.policy.tables import People, PlaneCount, Prompt, Role, Side

FIGURE = "figure"  # the stand-in that is drawn without a picture of one
PATTERN = re.compile(r"[a-z0-9*?\[\]!-]+(/[a-z0-9*?\[\]!-]+){3}")
_FILES = ("anchors", "people_anchors")


class Wishes(Struct, frozen=True, forbid_unknown_fields=True):
    """What one table states: `wire.policy.tables.Receiver` says of each what it is; pictures are files.

    `stand_in` is "figure", which is drawn, or a picture file for renderers that take one.
    """

    long_side_px: Side | UnsetType = UNSET
    steps: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    fps: Annotated[float, Meta(gt=0, le=240)] | UnsetType = UNSET
    frames: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    guidance: Annotated[float, Meta(ge=0, le=100)] | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | UnsetType = UNSET
    planes: PlaneCount | UnsetType = UNSET
    style_prompt: Prompt | UnsetType = UNSET
    negative_prompt: Prompt | UnsetType = UNSET
    anchors: tuple[str, ...] | UnsetType = UNSET
    people_anchors: tuple[str, ...] | UnsetType = UNSET
    people: People | UnsetType = UNSET
    stand_in: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET

    def over(self, receiver: Receiver) -> Receiver:
        """Give what is asked for where this goes before `receiver`."""
        stated = {name: getattr(self, name) for name in Wishes.__struct_fields__}
        return replace(receiver, **{name: value for name, value in stated.items() if value is not UNSET})

    @property
    def files(self) -> Iterator[str]:
        """Give the picture files that are named."""
        for name in _FILES:
            named = getattr(self, name)
            yield from () if named is UNSET else named
        if isinstance(self.stand_in, str) and self.stand_in != FIGURE:
            yield self.stand_in


class CameraWishes(Wishes, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[receiver.camera]]: for cameras whose name matches: tenant/site/device/camera, `*` within a part."""

    name: str
    role: Role | None = None

    def __post_init__(self) -> None:
        if not PATTERN.fullmatch(self.name):
            raise ValueError(
                f"receiver.camera name {self.name!r} is not tenant/site/device/camera, each a name or a "
                "pattern of one as *"
            )

    def matches(self, camera: str) -> bool:
        return matches(self.name, camera)


class ReceiverTables(Wishes, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[receiver], [receiver.viewer], [receiver.operator], [receiver.admin], [[receiver.camera]]."""

    viewer: Wishes = Wishes()
    operator: Wishes = Wishes()
    admin: Wishes = Wishes()
    camera: Annotated[tuple[CameraWishes, ...], Meta(max_length=1000)] = ()

    def asked(self, base: Receiver, role: Role, camera: str | None = None) -> Receiver:
        """Give what is asked for a role and a camera over `base`, which is what [render] says."""
        here = [each for each in self.camera if camera is not None and each.matches(camera)]
        every = [each for each in here if each.role is None]
        own = [each for each in here if each.role == role]
        for wishes in (self, *every, getattr(self, role), *own):
            base = wishes.over(base)
        return base

    @property
    def tables(self) -> tuple[Wishes, ...]:
        return self, self.viewer, self.operator, self.admin, *self.camera

    def below(self, folder: Path) -> "ReceiverTables":
        """Give this with its files below a folder."""
        return replace(
            _below(self, folder), viewer=_below(self.viewer, folder), operator=_below(self.operator, folder),
            admin=_below(self.admin, folder), camera=tuple(_below(each, folder) for each in self.camera),
        )  # fmt: skip


_Wishes = TypeVar("_Wishes", bound=Wishes)


def matches(pattern: str, camera: str) -> bool:
    """Tell whether a camera's name is as a pattern says, part by part."""
    parts, names = pattern.split("/"), camera.split("/")
    return len(parts) == len(names) and all(map(fnmatchcase, names, parts))


def _below(wishes: _Wishes, folder: Path) -> _Wishes:
    changed: dict[str, object] = {
        name: tuple(str(folder / each) for each in named)
        for name in _FILES
        if (named := getattr(wishes, name)) is not UNSET
    }
    if isinstance(wishes.stand_in, str) and wishes.stand_in != FIGURE:
        changed["stand_in"] = str(folder / wishes.stand_in)
    return replace(wishes, **changed)
