"""What may be sent of a segment, priced: each part with its bytes and what it is worth.

    caption, motion, vector    sent or not
    picture                    one of several, least first:

        not known yet       nothing        coarse          deeper, deeper
        known, moving       hold           what differs    what changed      deeper, deeper
                                           most
        known, still        as before      what changed    as deep as there is room for

Whatever is chosen, later packets can build on it: the composer keeps what the receiver will hold. To hold a
picture costs some bytes where things move, because a packet without appearance would forget it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.worth import VECTOR, WORDS, Seen, motion_points
from wire.memory import Memory, size_of
from wire.neighbours import UNKNOWN
from wire.packet import Packet
from wire.segment import Codec, Segment

BINDING = "policy"
_MOST = 4.0  # difference from which a cell "differs most"
_DEPTHS = (6, 8, 12, 16, 24, 32)  # planes that are offered, up to the ceiling
_STAYS = (0.3, 0.8)  # cells expected to last in a scene that has just begun: moving camera, resting camera


@dataclass(frozen=True, slots=True)
class Item:
    """A part, and what a second of it is worth; see edge/worth.py."""

    name: str
    layers: Mapping[int, bytes]
    points: float

    @property
    def size(self) -> int:
        return size_of(self.layers)


@dataclass(frozen=True, slots=True)
class Menu:
    """All parts of a segment. Pictures are least first; their points count from any common zero."""

    seconds: float
    parts: tuple[Item, ...]  # caption, motion, vector, as far as there are any
    pictures: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent of a menu."""

    parts: tuple[Item, ...]
    picture: Item | None

    @property
    def layers(self) -> dict[int, bytes]:
        found = dict(self.picture.layers) if self.picture else {}
        for part in self.parts:
            found |= part.layers
        return found


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that settings allow of a picture: planes, and bytes of a still one.

    `most_planes`: what the sender allows at all, also where a still picture has room for more.
    """

    planes: int
    still_bytes: int
    rests: bool
    most_planes: int | None = None


def menu_of(segment: Segment, packet: Packet, held: Segment | None, codec: Codec, ceiling: Ceiling) -> Menu:
    """Make the menu of a segment; `packet` is without layers yet. Raises PacketError."""
    bare = replace(segment, caption=None, motion=None, vector=None, tokens=None)
    parts = list[Item]()
    if segment.caption is not None:
        parts.append(Item("caption", codec.layers(replace(bare, caption=segment.caption), held, 0), WORDS))
    if segment.motion is not None:
        layers = codec.layers(replace(bare, motion=segment.motion), held, 0)
        parts.append(Item("motion", layers, motion_points(segment.motion)))
    if segment.vector is not None:
        layers = codec.layers(replace(bare, vector=segment.vector), held, 0)
        if layers:
            parts.append(Item("vector", layers, VECTOR))
    pictures: tuple[Item, ...] = ()
    if segment.tokens is not None and ceiling.planes:
        studio = _Studio(replace(bare, tokens=segment.tokens), segment.tokens, packet, held, codec)
        said = sum(part.size for part in parts if part.name != "vector")
        pictures = tuple(studio.pictures(replace(ceiling, still_bytes=ceiling.still_bytes - said)))
    return Menu(segment.duration_ms / 1000, tuple(parts), pictures)


def with_binding(menu: Menu, layers: Mapping[int, bytes]) -> Menu:
    """Add what binds the receiver, if anything does: it is worth nothing by itself, and never left out."""
    return replace(menu, parts=(*menu.parts, Item(BINDING, layers, 0.0))) if layers else menu


class _Studio:
    """Makes the pictures of one segment."""

    def __init__(
        self, segment: Segment, tokens: NDArray[np.uint8], packet: Packet, held: Segment | None, codec: Codec
    ) -> None:
        self._segment = segment
        self._tokens = tokens
        self._packet = packet
        self._held = held
        self._codec = codec
        self._memory = None if segment.cut or held is None else held.memory

    def pictures(self, ceiling: Ceiling) -> Iterator[Item]:
        """Give what is offered."""
        stays = _STAYS[ceiling.rests or self._segment.still]
        if self._memory is not None:
            stays = 1 - float((self._codec.difference(self._tokens, self._memory) > 1).mean())
        for name, layers in self._offers(ceiling):
            seen = self._seen(layers)
            yield Item(name, layers, 0.0 if seen is None else seen.points(stays))

    def _offers(self, ceiling: Ceiling) -> Iterator[tuple[str, dict[int, bytes]]]:
        segment, memory = self._segment, self._memory
        if segment.still:
            yield "hold", {}
            most = ceiling.most_planes
            yield "renew", self._layers(self._tokens, most, 0)
            yield "fill", self._layers(self._tokens, most, max(ceiling.still_bytes, 0))
            return
        least = self._coarse_planes
        if memory is None:
            yield "nothing", {}
        else:
            yield "hold", self._layers(self._blended(memory, np.inf), least)
            yield "mend", self._layers(self._blended(memory, _MOST), least)
        yield "renew", self._layers(self._tokens, least)
        depths = [depth for depth in _DEPTHS if least < depth < ceiling.planes]
        for depth in (*depths, *([ceiling.planes] if ceiling.planes > least else [])):
            yield f"planes {depth}", self._layers(self._tokens, depth)

    @property
    def _coarse_planes(self) -> int:
        return self._codec.coarse_planes

    def _layers(
        self, tokens: NDArray[np.uint8], planes: int | None, room: int | None = None
    ) -> dict[int, bytes]:
        return self._codec.layers(replace(self._segment, tokens=tokens), self._held, planes, room)

    def _blended(self, memory: Memory, most: float) -> NDArray[np.uint8]:
        """Give what is held, and the new tokens only in cells that differ by more than this."""
        keep = self._codec.difference(self._tokens, memory) <= most
        return np.where(keep & (memory.tokens != UNKNOWN), memory.tokens, self._tokens)

    def _seen(self, layers: Mapping[int, bytes]) -> Seen | None:
        memory = self._codec.resolve(replace(self._packet, layers=layers), self._held).memory
        if memory is None:
            return None
        return Seen(memory.depth.astype(np.float64), self._codec.difference(self._tokens, memory))
