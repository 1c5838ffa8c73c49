"""The motion layer: how the camera and up to four objects move during a segment.

head      1 byte   bits 0-2 objects, 3 pan follows, 4 zoom follows, 5 roll follows; 6-7 are zero
pan       2 zigzag varints   right, down, in 1/256 of the frame's width, height
zoom      zigzag varint      1/32 of an octave
roll      zigzag varint      degrees
objects   34 bits each, most significant first, padded with zeros at the end:
          5 x, 5 y (1/32), 5 width, 5 height (1/32, less one), 7 dx, 7 dy (1/64, two's complement)
"""

from dataclasses import dataclass
from math import isfinite

from wire import varint
from wire.packet import PacketError

MAX_OBJECTS = 4
_PAN, _ZOOM, _ROLL = 8, 16, 32
_OBJECT_BITS = 34


class MotionError(PacketError):
    """The bytes, or the fields, do not make a motion layer."""


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """How the content moves as a whole, over the segment.

    `pan_x`, `pan_y`: displacement in fractions of the frame's width and height, + = right, down.
    `zoom`: log2 of the content's scale, + = it grows. `roll`: degrees, + = it turns clockwise.
    """

    pan_x: float = 0.0
    pan_y: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class ObjectMotion:
    """A box: centre and size at the segment's start (0..1), displacement in fractions of the frame."""

    x: float
    y: float
    width: float
    height: float
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion of a segment; `objects` are largest first, and at most four."""

    camera: CameraMotion = CameraMotion()
    objects: tuple[ObjectMotion, ...] = ()

    def __post_init__(self) -> None:
        if len(self.objects) > MAX_OBJECTS:
            raise MotionError(f"{len(self.objects)} objects, at most {MAX_OBJECTS} are sent")


def encode(motion: Motion) -> bytes:
    """Write the layer's payload; numbers out of range are clamped, those not finite raise MotionError."""
    camera = motion.camera
    pan = (_steps(camera.pan_x, 256, -512, 512), _steps(camera.pan_y, 256, -512, 512))
    zoom = _steps(camera.zoom, 32, -128, 128)
    roll = _steps(camera.roll, 1, -180, 180)
    head, numbers = len(motion.objects), list[int]()
    if pan != (0, 0):
        head |= _PAN
        numbers += pan
    if zoom:
        head |= _ZOOM
        numbers.append(zoom)
    if roll:
        head |= _ROLL
        numbers.append(roll)
    coded = b"".join(varint.encode(varint.zigzag(number)) for number in numbers)
    return bytes((head,)) + coded + _pack(motion.objects)


def decode(data: bytes) -> Motion:
    """Read the layer's payload, or raise MotionError."""
    if not data:
        raise MotionError("motion layer is empty")
    head, numbers, offset = data[0], list[int](), 1
    count = (2 if head & _PAN else 0) + (1 if head & _ZOOM else 0) + (1 if head & _ROLL else 0)
    try:
        for _ in range(count):
            number, offset = varint.decode(data, offset)
            numbers.append(varint.unzigzag(number))
    except varint.VarintError as error:
        raise MotionError(str(error)) from error
    rest = iter(numbers)
    pan_x, pan_y = (next(rest) / 256, next(rest) / 256) if head & _PAN else (0.0, 0.0)
    zoom = next(rest) / 32 if head & _ZOOM else 0.0
    roll = float(next(rest)) if head & _ROLL else 0.0
    objects = _unpack(data[offset:], head & 7)
    motion = Motion(CameraMotion(pan_x, pan_y, zoom, roll), objects)
    if encode(motion) != data:  # one motion has one form: clamped, no needless fields, zero padding
        raise MotionError("motion layer is not in its shortest form")
    return motion


def quantise(motion: Motion) -> Motion:
    """Give what the receiver will see of `motion`."""
    return decode(encode(motion))


def _steps(value: float, scale: int, low: int, high: int) -> int:
    if not isfinite(value):
        raise MotionError(f"motion has a number that is {value}")
    return round(min(max(value * scale, low), high))


def _pack(objects: tuple[ObjectMotion, ...]) -> bytes:
    bits = 0
    for item in objects:
        fields = (
            (_steps(item.x, 32, 0, 31), 5),
            (_steps(item.y, 32, 0, 31), 5),
            (_steps(item.width, 32, 1, 32) - 1, 5),
            (_steps(item.height, 32, 1, 32) - 1, 5),
            (_steps(item.dx, 64, -64, 63) & 127, 7),
            (_steps(item.dy, 64, -64, 63) & 127, 7),
        )
        for field, width in fields:
            bits = bits << width | field
    used = _OBJECT_BITS * len(objects)
    return (bits << -used % 8).to_bytes((used + 7) // 8, "big")


def _unpack(data: bytes, count: int) -> tuple[ObjectMotion, ...]:
    used = _OBJECT_BITS * count
    if count > MAX_OBJECTS or len(data) != (used + 7) // 8:
        raise MotionError(f"motion layer has {len(data)} bytes for {count} objects")
    bits = int.from_bytes(data, "big") >> -used % 8
    objects = []
    for index in range(count):
        item = bits >> _OBJECT_BITS * (count - 1 - index)
        objects.append(
            ObjectMotion(
                x=(item >> 29 & 31) / 32,
                y=(item >> 24 & 31) / 32,
                width=((item >> 19 & 31) + 1) / 32,
                height=((item >> 14 & 31) + 1) / 32,
                dx=_signed(item >> 7 & 127) / 64,
                dy=_signed(item & 127) / 64,
            )
        )
    return tuple(objects)


def _signed(field: int) -> int:
    return field - 128 if field > 63 else field
