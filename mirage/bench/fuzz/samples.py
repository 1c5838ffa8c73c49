"""Valid inputs to begin with, made by the code that is shipped.

`Scenes` are segments one after another, and what a receiver knows after each: hand-made ones of each kind,
and those of a real clip where one is installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from mirage.bench.fuzz.archives import vector_tables
from wire import documents, gap, recording
from wire.bundle import Bundle
from wire.documents import Ack, AckWatermark, Birth, CameraInfo, State
from wire.envelope import PlainEnvelope
from wire.gap import Gap, GapReason
from wire.motion import CameraMotion, Motion, ObjectMotion
from wire.packet import Layer, Packet
from wire.policy import Demands, binding
from wire.segment import Codec, Segment
from wire.vector import VectorModel

TOPIC: Final = "mirage/v1/acme/north/edge-1/door/sem"
TOPICS: Final = (
    TOPIC,
    *(f"mirage/v1/acme/north/edge-1/{leaf}" for leaf in ("birth", "state", "telemetry", "ack", "cmd/ping")),
    "mirage/v1/a/b-0/c/d/event",
)
UNSIGNED_BIRTH: Final = Birth(
    device="edge-1",
    boot_id="0123456789abcdef",
    boot_wall_ms=1_700_000_000_000,
    wall_error_ms=20,
    software="mirage 0.1.0",
    bundle="tiny",
    bundle_sha256="fedcba9876543210",
    cameras=(CameraInfo("door", 1280, 720, 25.0), CameraInfo("yard", 640, 480, 29.97)),
    key_id=3,
    wrapped_key="c2VhbGVk",
)
BIRTH: Final = msgspec.structs.replace(UNSIGNED_BIRTH, signature="c2lnbmVk")
_VECTOR_SIZE: Final = 64
_MOTIONS: Final = (
    Motion(CameraMotion(0.25, -0.1)),
    Motion(CameraMotion(0.1, 0.0, 0.3, 5.0), (ObjectMotion(0.4, 0.6, 0.2, 0.3, 0.2, -0.1),) * 4),
    Motion(
        CameraMotion(0.5, 0.25, 0.1, 3.0),
        (ObjectMotion(0.4, 0.6, 0.2, 0.3, 0.2, -0.1, ((0.3, 0.1), (0.1, 0.2), (0.4, 0.0))),),
        tuple(CameraMotion(0.2 * knot, 0.3 - 0.1 * knot, 0.2, knot * 4.0) for knot in range(3)),
    ),
    Motion(),
)
_CAPTIONS: Final = ("a man walks slowly to the right", "Zwölf Boxkämpfer jagen Viktor, quer über den Deich.")


@dataclass(frozen=True, slots=True)
class Scenes:
    """Packets, and at the same place what was known before each; the last of `before` follows them all."""

    codec: Codec
    packets: tuple[Packet, ...]
    before: tuple[Segment | None, ...]


def codec_with_vector(bundle: Bundle) -> Codec:
    """Add an embedding to a bundle's coders."""
    vectors = VectorModel.from_arrays(vector_tables(_VECTOR_SIZE))
    return Codec(bundle.text_model(), bundle.token_model(), vectors, 0.95)


def scenes(bundle: Bundle, real: Sequence[bytes]) -> Scenes:
    """Make packets of each kind under a bundle's tables; `real` are bodies that follow each other."""
    codec = codec_with_vector(bundle)
    packets, before = list[Packet](), list[Segment | None]()
    known: Segment | None = None
    for segment in _segments(bundle):
        layers = codec.layers(segment, known, None if segment.sequence % 2 else 8)
        packets.append(_packet(segment, layers, refresh=known is None))
        before.append(known)
        known = codec.resolve(packets[-1], known)
    for body in real:
        packets.append(Packet.parse(body))
        before.append(None if packets[-1].refresh else known)
        known = codec.resolve(packets[-1], known)
    return Scenes(codec, tuple(packets), (*before, known))


def bodies(packets: Sequence[Packet]) -> tuple[bytes, ...]:
    """Give the bytes of packets, and of more kinds: backlog, gaps, unknown layers, none at all."""
    lost = {int(Layer.GAP): payload for payload in gaps()[:1]}
    others = (
        replace(packets[0], historical=True, boot_id=bytes(range(8))),
        Packet(2**63 - 1, 2**48 - 1, 0, lost),
        Packet(5, 6, 7, {Layer.POLICY: b"\x01", 100: b"later", 127: b""}),
        Packet(0, 0, 0, {}),
    )
    return tuple(map(bytes, (*packets, *others)))


def gaps() -> tuple[bytes, ...]:
    """Gap records."""
    ranges = ((0, 0), (129, 70_000), (2**62, 2**63 - 1))
    return tuple(gap.encode(Gap(first, last, GapReason.DAMAGED)) for first, last in ranges)


def bindings() -> tuple[bytes, ...]:
    """Policy layers: of flags alone, of all constraints, of one that may be ignored."""
    strict = Demands(256, "places", style=False, publish=False, keep_days=7, viewers="operator")
    return binding.encode(Demands(stand_in=True)), binding.encode(strict), bytes.fromhex("81010164c5020000")


def payloads(packets: Sequence[Packet], layer: Layer) -> tuple[bytes, ...]:
    """Give what packets carry as this layer."""
    return tuple(packet.layers[layer] for packet in packets if layer in packet.layers)


def acks() -> tuple[bytes, ...]:
    """Acks: empty, with holes, of many boots."""
    holes = ((1, 2), (5, 5), (9, 4000))
    many = {f"{number:016x}": AckWatermark(number, ()) for number in range(20)}
    found: tuple[dict[str, AckWatermark], ...] = ({}, {"0123456789abcdef": AckWatermark(5000, holes)}, many)
    return tuple(documents.encode(Ack(boots)) for boots in found)


def births() -> tuple[bytes, ...]:
    """Births: with and without what is optional."""
    plain = Birth("e", "0" * 16, 0, 0, "m", "b", "f" * 16, (CameraInfo("c", 1, 32768, 0.5),))
    return documents.encode(BIRTH), documents.encode(plain)


def states() -> tuple[bytes, ...]:
    """States."""
    return tuple(documents.encode(State(name, "0123456789abcdef")) for name in ("ready", "sleeping", "lost"))


def recordings(packets: Sequence[Packet]) -> tuple[bytes, ...]:
    """Give recordings: of all packets, of some, of none."""
    birth = Birth("file", "0" * 16, 0, 0, "m", "tiny", "f" * 16, (CameraInfo("source", 64, 36, 25.0),))
    envelope = PlainEnvelope()
    frames = [envelope.wrap(bytes(packet), "") for packet in packets]
    return recording.write(birth, frames), recording.write(birth, frames[:2]), recording.write(birth, [])


def _segments(bundle: Bundle) -> list[Segment]:
    model = bundle.token_model()
    chance = np.random.default_rng(1)
    shape = (4, 2, 2) if model is None else (model.planes, model.height, model.width)
    levels = 2 if model is None else model.levels
    one, other = (np.asarray(chance.integers(0, levels, shape), np.uint8) for _ in range(2))
    changed = one.copy()
    changed[:, :2, :2] = other[:, :2, :2]
    vectors = [np.asarray(chance.integers(-9, 10, _VECTOR_SIZE), np.int8) for _ in range(2)]
    first = Segment(
        1000, 2000, _CAPTIONS[0], _MOTIONS[0], one, 500, still=False, cut=True, sequence=7, vector=vectors[0]
    )
    cut = replace(first, start_ms=9000, sequence=10)
    return [
        first,
        replace(first, start_ms=3000, motion=_MOTIONS[1], tokens=changed, cut=False, sequence=8),
        replace(first, start_ms=5000, motion=None, tokens=changed, still=True, cut=False, sequence=9),
        replace(cut, caption=_CAPTIONS[1], motion=_MOTIONS[2], tokens=other, vector=vectors[1]),
        replace(first, start_ms=11_000, motion=_MOTIONS[3], tokens=None, cut=False, sequence=11, vector=None),
    ]


def _packet(segment: Segment, layers: dict[int, bytes], *, refresh: bool) -> Packet:
    numbers = (segment.sequence, segment.start_ms, segment.duration_ms)
    return Packet(*numbers, layers, segment.still, refresh=refresh, cut=segment.cut)
