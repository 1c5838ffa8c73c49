"""The scene memory: what packets have said about a scene, cell by cell, and the layers that add to it.

    coarse layer   1 byte   bits 0-6 the keyframe's place in 128ths of the duration; bit 7 set: changes
                   varint   only with bit 7: how many sequence numbers before this packet the one is that
                            wrote the coarse tokens which these change
                   code     all cells, or which changed and those
    detail layer   1 byte   how many planes are known afterwards
                   varint   only on top of a memory: how many detail layers it is made of
                   code     what is unknown below that many planes

A cell that changes loses its detail, and detail fills whatever is lacking: the background of a fixed camera
keeps what it has gathered, and someone who walks through costs only the cells that show him.

Both numbers name what a layer builds on exactly. Coarse tokens follow from the packet that wrote them last.
Detail may be left out on the way: who lacks a layer has counted fewer, and takes no more detail until a
keyframe is sent by itself again. Coarse tokens are coded without a look at detail, so they are always read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wire import varint
from wire.neighbours import UNKNOWN
from wire.packet import Layer, PacketError
from wire.planes import Tokens
from wire.tokens import TokenModel

_CHANGES = 128


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What both sides know of a scene after a packet; see `wire.tokens` for the grid."""

    tokens: Tokens  # (planes, h, w), UNKNOWN where nothing was sent
    written: int  # sequence of the packet that last wrote coarse tokens
    details: int  # detail layers since the tokens were last sent by themselves

    @property
    def depth(self) -> NDArray[np.int64]:
        """How many planes of each cell (h, w) are known."""
        return np.asarray((self.tokens != UNKNOWN).sum(axis=0), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A picture to send: tokens (D, h, w), its place in 128ths of the segment, its packet's sequence."""

    tokens: Tokens
    place: int
    sequence: int


class SceneCoder:
    """Writes and reads the two appearance layers under one bundle's tables."""

    def __init__(self, model: TokenModel) -> None:
        self._model = model

    def layers(
        self, keyframe: Keyframe, memory: Memory | None, planes: int, room: int | None, *, rests: bool
    ) -> dict[int, bytes]:
        """Say what `memory` lacks of a keyframe, up to `planes` planes; of a scene that `rests`, what is new.

        With `room`, as much detail as fits in so many bytes of layers. Raises PacketError.
        """
        if not self._model.coarse_planes <= planes <= self._model.planes:
            raise PacketError(
                f"{planes} planes asked for, there are {self._model.coarse_planes} to {self._model.planes}"
            )
        coarse = self._coarse(keyframe, memory, rests=rests)
        layers = {} if coarse is None else {int(Layer.APPEARANCE_TOKENS): coarse}
        known = self._with_coarse(coarse, memory, keyframe.sequence)
        if not (known.tokens[:planes] == UNKNOWN).any():
            return layers
        fresh = coarse is not None and not coarse[0] & _CHANGES
        count = b"" if fresh else varint.encode(known.details)
        if room is not None:
            room = max(room - size_of(layers) - len(count), 0)
            room -= 1 + len(varint.encode(room))
        detail = self._model.encode_detail(keyframe.tokens, planes, known.tokens, room)
        if detail:
            layers[Layer.APPEARANCE_DETAIL] = detail[:1] + count + detail[1:]
        return layers

    def read(self, layers: Mapping[int, bytes], memory: Memory | None, sequence: int) -> Memory:
        """Add a packet's layers, one at least, to what was known; raises PacketError.

        Detail on top of detail that is not here is left out.
        """
        coarse, detail = layers.get(Layer.APPEARANCE_TOKENS), layers.get(Layer.APPEARANCE_DETAIL)
        known = self._with_coarse(coarse, memory, sequence)
        if detail is None:
            return known
        start = 1
        if coarse is None or coarse[0] & _CHANGES:
            count, start = _number(detail, sequence)
            if count != known.details:
                return known
        tokens = self._model.decode_detail(detail[:1] + detail[start:], known.tokens)
        return Memory(tokens, known.written, known.details + 1)

    @property
    def coarse_planes(self) -> int:
        return self._model.coarse_planes

    @property
    def planes(self) -> int:
        return self._model.planes

    def difference(self, tokens: Tokens, memory: Memory) -> NDArray[np.float64]:
        """How wrong each cell (h, w) of a memory is; see TokenModel."""
        return self._model.difference(tokens, memory.tokens)

    def _coarse(self, keyframe: Keyframe, memory: Memory | None, *, rests: bool) -> bytes | None:
        alone = bytes((keyframe.place,)) + self._model.encode_coarse(keyframe.tokens)
        if memory is None or keyframe.sequence <= memory.written:
            return alone
        changed = self._model.changed(keyframe.tokens, memory.tokens)
        if rests and not changed.any():
            return None
        head = bytes((keyframe.place | _CHANGES,)) + varint.encode(keyframe.sequence - memory.written)
        changes = head + self._model.encode_changes(keyframe.tokens, memory.tokens, changed)
        return min(changes, alone, key=len)

    def _with_coarse(self, coarse: bytes | None, memory: Memory | None, sequence: int) -> Memory:
        if coarse is None:
            if memory is None:
                raise PacketError(f"packet {sequence} has a fine part of tokens without the coarse one")
            return memory
        if not coarse:
            raise PacketError(f"packet {sequence} has tokens, but none that can be read")
        if not coarse[0] & _CHANGES:
            return Memory(self._model.decode_coarse(coarse[1:]), sequence, 0)
        back, start = _number(coarse, sequence)
        if memory is None or not 0 < back == sequence - memory.written:
            raise PacketError(f"packet {sequence} changes tokens that are not here")
        tokens = self._model.decode_changes(coarse[start:], memory.tokens)
        return Memory(tokens, sequence, memory.details)


def size_of(layers: Mapping[int, bytes]) -> int:
    """Give the bytes that layers take in a packet."""
    return sum(1 + len(varint.encode(len(payload))) + len(payload) for payload in layers.values())


def keyframe_ms(layers: Mapping[int, bytes], duration_ms: int) -> int:
    """When the keyframe of a packet is, from the start of its segment."""
    coarse = layers.get(Layer.APPEARANCE_TOKENS, b"\0")
    return round(duration_ms * (coarse[0] & ~_CHANGES) / 128)


def place_of(keyframe_ms: int, duration_ms: int) -> int:
    """Say when a keyframe is in 128ths of its segment."""
    return min(max(round(keyframe_ms * 128 / max(duration_ms, 1)), 0), 127)


def _number(payload: bytes, sequence: int) -> tuple[int, int]:
    """Read the number behind the first byte, and where the code begins."""
    try:
        return varint.decode(payload, 1)
    except varint.VarintError as error:
        raise PacketError(f"packet {sequence}: appearance: {error}") from error
