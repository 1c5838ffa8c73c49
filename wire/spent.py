"""What bytes are spent on: the slots of a ledger, each with its layer and its kind.

    kind        payload     layers, and what the packet and its seal put around them (`header`)
                mqtt        control packets of MQTT, without their payload
                transport   TCP/IP and TLS, by estimate
                resent      payload and MQTT of packets that had gone out before

Each byte that a device sends is in one slot. Of MQTT, transport and what is resent, layers are not told
apart: their layer is `packet`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from wire.packet import Layer, layer_label
from wire.sparse import MAX_VALUE

PAYLOAD, MQTT, TRANSPORT, RESENT = KINDS = ("payload", "mqtt", "transport", "resent")
PACKET, HEADER, OTHER = "packet", "header", "other"
OTHERS = 64  # the number of all cameras that the birth does not name; a birth names no more than 64

Slot = tuple[str, str]  # layer, kind

# Places are on the wire: append only. What goes out in every minute comes first.
CAMERA_SLOTS: tuple[Slot, ...] = (
    (HEADER, PAYLOAD),
    (Layer.CAPTION.label, PAYLOAD),
    (Layer.MOTION.label, PAYLOAD),
    (Layer.APPEARANCE_TOKENS.label, PAYLOAD),
    (Layer.APPEARANCE_DETAIL.label, PAYLOAD),
    (PACKET, MQTT),
    (PACKET, TRANSPORT),
    (PACKET, RESENT),
    (Layer.APPEARANCE_VECTOR.label, PAYLOAD),
    (Layer.POLICY.label, PAYLOAD),
    (Layer.GAP.label, PAYLOAD),
    (OTHER, PAYLOAD),
)
OWN_SLOTS: tuple[Slot, ...] = (
    ("telemetry", PAYLOAD),
    (PACKET, MQTT),
    (PACKET, TRANSPORT),
    ("birth", PAYLOAD),
    ("state", PAYLOAD),
    ("reply", PAYLOAD),
)
_LAYERS = frozenset(layer for layer, kind in CAMERA_SLOTS if kind == PAYLOAD)


SAMPLE_NUMBERS = 6  # of each codec, behind the slots of a camera


class SpentError(ValueError):
    """The numbers are not those of a ledger or a sample."""


class Codec(IntEnum):
    """What pictures would have been sent as, for comparison; the value is on the wire."""

    H264 = 0  # x264
    H265 = 1  # x265


def camera_layer(layer: int) -> str:
    """Name the layer under which a layer of a packet is counted."""
    label = layer_label(layer)
    return label if label in _LAYERS else OTHER


@dataclass(frozen=True, slots=True)
class Spent:
    """Bytes by slot: of a camera, by its place in the birth (or OTHERS); of the device itself, for None."""

    camera: int | None
    bytes: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.camera is not None and not 0 <= self.camera <= OTHERS:
            raise SpentError(f"camera {self.camera} is not 0 to {OTHERS}")
        if len(self.bytes) != len(self.slots) or any(not 0 <= size <= MAX_VALUE for size in self.bytes):
            raise SpentError(
                f"camera {self.camera} has not {len(self.slots)} counters of 63 bits: {self.bytes}"
            )

    @property
    def slots(self) -> tuple[Slot, ...]:
        return OWN_SLOTS if self.camera is None else CAMERA_SLOTS

    def items(self) -> Iterator[tuple[str, str, int]]:
        """Give layer, kind and bytes of each slot that is not zero."""
        for (layer, kind), size in zip(self.slots, self.bytes, strict=True):
            if size:
                yield layer, kind, size


@dataclass(frozen=True, slots=True)
class Sample:
    """What a camera would have taken as video, from windows that were encoded since boot.

    `bytes` of `windows` that last `sampled_ms` together; `deviation` is the standard deviation of their
    rates, in bytes a second. `preset` counts from 0, "ultrafast", as x264 and x265 name them.
    """

    camera: int
    codec: Codec
    windows: int
    sampled_ms: int
    bytes: int
    deviation: int
    crf: int
    preset: int

    def __post_init__(self) -> None:
        if not 0 <= self.camera <= OTHERS:
            raise SpentError(f"sample of camera {self.camera}, which is not 0 to {OTHERS}")
        if any(not 0 <= number <= MAX_VALUE for number in self.numbers()):
            raise SpentError(f"sample of camera {self.camera} has a number above 63 bits, or below zero")
        if not (self.windows and self.sampled_ms and self.crf >= 0 and self.preset >= 0):
            raise SpentError(f"sample of camera {self.camera} has no windows, time, CRF or preset")

    def numbers(self) -> tuple[int, ...]:
        """Give what is written of it; a codec without sample has zeros in their place."""
        return self.windows, self.sampled_ms, self.bytes, self.deviation, self.crf + 1, self.preset + 1


def sample_of(camera: int, codec: Codec, numbers: Sequence[int]) -> Sample | None:
    """Make a sample of its numbers, None where there is none. Raises SpentError."""
    windows, sampled_ms, size, deviation, crf, preset = numbers
    if not any(numbers):
        return None
    return Sample(camera, codec, windows, sampled_ms, size, deviation, crf - 1, preset - 1)
