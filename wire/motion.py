"""The motion layer: how the camera and up to four objects move during a segment.

head      1 byte   bits 0-2 objects, 3 pan follows, 4 zoom follows, 5 roll follows, 6-7 log2 of the legs
pan       2 zigzag varints   right, down, in 1/256 of the frame's width, height
zoom      zigzag varint      1/32 of an octave
roll      zigzag varint      degrees
then bits, most significant first, padded with zeros at the end:
objects   34 each: 5 x, 5 y (1/32), 5 width, 5 height (1/32, less one), 7 dx, 7 dy (1/64, two's complement)
bends     of `wire.ways`, round by round; in each round pan right, pan down, zoom, roll, as far as they are
          there, then each object's x and y: in 1/128 of the frame, 1/32 of an octave, degrees, and 1/64 of
          the frame; zigzag, plus one, in Elias gamma code

Usually 4 to 20 bytes; four objects and a camera that all bend as far as they can take 184.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from math import isfinite

from wire import varint, ways
from wire.bits import BitReader, BitsError, BitWriter
from wire.packet import PacketError
from wire.ways import LEGS, along

MAX_OBJECTS = 4
_PAN, _ZOOM, _ROLL, _LEGS_AT = 8, 16, 32, 6
_CAMERA = (
    (_PAN, 256, 512, 1 / 128),
    (_PAN, 256, 512, 1 / 128),
    (_ZOOM, 32, 128, 1 / 32),
    (_ROLL, 1, 180, 1.0),
)
_OBJECT_BEND = 1 / 64
_WIDTHS = (5, 5, 5, 5, 7, 7)
_MOST_ZEROS = 7  # before the first one of any bend


class MotionError(PacketError):
    """The bytes, or the fields, do not make a motion layer."""


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """How the content has moved as a whole since the segment's start.

    `pan_x`, `pan_y`: displacement in fractions of the frame's width and height, + = right, down.
    `zoom`: log2 of the content's scale, + = it grows. `roll`: degrees, + = it turns clockwise.
    """

    pan_x: float = 0.0
    pan_y: float = 0.0
    zoom: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class ObjectMotion:
    """A box: centre and size at the segment's start (0..1), displacement in fractions of the frame.

    `via`: displacement (x, y) at the knots on the way; see Motion.
    """

    x: float
    y: float
    width: float
    height: float
    dx: float
    dy: float
    via: tuple[tuple[float, float], ...] = ()

    def displacement_at(self, time: float) -> tuple[float, float]:
        """How far it has come at a time 0..1 of the segment; beyond, it goes on as it did."""
        across, down = zip((0.0, 0.0), *self.via, (self.dx, self.dy), strict=True)
        return along(across, time), along(down, time)


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion over a whole segment; `objects` are largest first, and at most four.

    Knots cut a segment into legs of equal time: 1, 2, 4 or 8, the same number for the camera and for each
    object. `via` says where they are at the knots between start and end; one without it goes straight.
    """

    camera: CameraMotion = CameraMotion()
    objects: tuple[ObjectMotion, ...] = ()
    via: tuple[CameraMotion, ...] = ()

    def __post_init__(self) -> None:
        if len(self.objects) > MAX_OBJECTS:
            raise MotionError(f"{len(self.objects)} objects, at most {MAX_OBJECTS} are sent")
        legs = {1 + len(via) for via in (self.via, *(item.via for item in self.objects)) if via}
        if len(legs) > 1 or not legs <= set(LEGS):
            raise MotionError(f"ways have {sorted(legs)} legs, all must have the same of {LEGS}")

    @property
    def legs(self) -> int:
        """Into how many legs the segment is cut."""
        return 1 + max(len(self.via), *(len(item.via) for item in self.objects), 0)

    @property
    def camera_rests(self) -> bool:
        """Whether nothing moves but objects."""
        return self.camera == CameraMotion() and not self.via

    def camera_at(self, time: float) -> CameraMotion:
        """Where the camera is at a time 0..1 of the segment; beyond, it goes on as it did."""
        poses = (CameraMotion(), *self.via, self.camera)
        return CameraMotion(*(along(way, time) for way in zip(*map(astuple, poses), strict=True)))


def encode(motion: Motion) -> bytes:
    """Write the layer's payload; numbers out of range are clamped, those not finite raise MotionError."""
    steps = [
        _steps(value, scale, -most, most)
        for value, (_, scale, most, _) in zip(astuple(motion.camera), _CAMERA, strict=True)
    ]
    boxes = [_fields(item) for item in motion.objects]
    bends = ways.fewest(_bends(motion, steps, boxes))
    head = len(boxes) | LEGS.index(1 + len(bends[0])) << _LEGS_AT
    for (flag, *_), step, bent in zip(_CAMERA, steps, bends[:4], strict=True):
        if step or any(bent):
            head |= flag
    writer = BitWriter()
    for fields in boxes:
        for field, width in zip(fields, _WIDTHS, strict=True):
            writer.write(field, width)
    for channel, part in _order(head):
        for bend in bends[channel][part]:
            writer.write_gamma(varint.zigzag(bend) + 1)
    coded = b"".join(varint.encode(varint.zigzag(steps[channel])) for channel in _there(head))
    return bytes((head,)) + coded + writer.finish()


def decode(data: bytes) -> Motion:
    """Read the layer's payload, or raise MotionError."""
    if not data:
        raise MotionError("motion layer is empty")
    head, offset = data[0], 1
    count = head & 7
    if count > MAX_OBJECTS:
        raise MotionError(f"motion layer has {count} objects, at most {MAX_OBJECTS} are sent")
    steps, bends = [0] * 4, [list[int]() for _ in range(4 + 2 * count)]
    try:
        for channel in _there(head):
            number, offset = varint.decode(data, offset)
            steps[channel] = varint.unzigzag(number)
        reader = BitReader(data[offset:])
        boxes = [[reader.read(width) for width in _WIDTHS] for _ in range(count)]
        for channel, part in _order(head):
            for _ in range(part.start, part.stop):
                bends[channel].append(varint.unzigzag(reader.read_gamma(_MOST_ZEROS) - 1))
        reader.finish()
    except (varint.VarintError, BitsError) as error:
        raise MotionError(f"motion layer: {error}") from error
    motion = _motion(steps, boxes, bends)
    if encode(motion) != data:  # one motion has one form: clamped, no needless fields, no needless legs
        raise MotionError("motion layer is not in its shortest form")
    return motion


def quantise(motion: Motion) -> Motion:
    """Give what the receiver will see of `motion`."""
    return decode(encode(motion))


def _bends(motion: Motion, steps: Sequence[int], boxes: Sequence[Sequence[int]]) -> list[list[int]]:
    """Measure all bends: four of the camera, two of each object."""
    via = list(zip(*map(astuple, motion.via), strict=True)) or [()] * 4
    camera = zip(via, steps, _CAMERA, strict=True)
    found = [(way, step / scale, unit) for way, step, (_, scale, _, unit) in camera]
    for item, (*_, dx, dy) in zip(motion.objects, boxes, strict=True):
        across, down = zip(*item.via, strict=True) if item.via else ((), ())
        found += [(across, _signed(dx) / 64, _OBJECT_BEND), (down, _signed(dy) / 64, _OBJECT_BEND)]
    try:
        return [ways.bends_of(way, end, unit, motion.legs) for way, end, unit in found]
    except ValueError as error:
        raise MotionError(str(error)) from error


def _motion(steps: Sequence[int], boxes: Sequence[Sequence[int]], bends: Sequence[Sequence[int]]) -> Motion:
    """Put together what was read; who has no bends goes straight."""
    legs = 1 + max(map(len, bends))
    ends = [step / scale for step, (_, scale, *_) in zip(steps, _CAMERA, strict=True)]
    via: tuple[CameraMotion, ...] = ()
    if any(map(any, bends[:4])):
        knots = [
            ways.via_of(bent or [0] * (legs - 1), end, unit)
            for bent, end, (*_, unit) in zip(bends[:4], ends, _CAMERA, strict=True)
        ]
        via = tuple(CameraMotion(*pose) for pose in zip(*knots, strict=True))
    objects = [_object(fields, bends[4 + 2 * number : 6 + 2 * number]) for number, fields in enumerate(boxes)]
    return Motion(CameraMotion(*ends), tuple(objects), via)


def _object(fields: Sequence[int], bends: Sequence[Sequence[int]]) -> ObjectMotion:
    x, y, width, height, dx, dy = fields
    end = (_signed(dx) / 64, _signed(dy) / 64)
    via: tuple[tuple[float, float], ...] = ()
    if any(map(any, bends)):
        knots = [ways.via_of(bent, at, _OBJECT_BEND) for bent, at in zip(bends, end, strict=True)]
        via = tuple(zip(*knots, strict=True))
    return ObjectMotion(x / 32, y / 32, (width + 1) / 32, (height + 1) / 32, *end, via)


def _fields(item: ObjectMotion) -> tuple[int, ...]:
    return (
        _steps(item.x, 32, 0, 31),
        _steps(item.y, 32, 0, 31),
        _steps(item.width, 32, 1, 32) - 1,
        _steps(item.height, 32, 1, 32) - 1,
        _steps(item.dx, 64, -64, 63) & 127,
        _steps(item.dy, 64, -64, 63) & 127,
    )


def _there(head: int) -> list[int]:
    """Which of the camera's numbers follow."""
    return [channel for channel, (flag, *_) in enumerate(_CAMERA) if head & flag]


def _order(head: int) -> Iterator[tuple[int, slice]]:
    """In which order bends are coded: the number of a way, and which of its bends."""
    for part in ways.rounds(LEGS[head >> _LEGS_AT]):
        for channel in (*_there(head), *range(4, 4 + 2 * (head & 7))):
            yield channel, part


def _steps(value: float, scale: int, low: int, high: int) -> int:
    if not isfinite(value):
        raise MotionError(f"motion has a number that is {value}")
    return round(min(max(value * scale, low), high))


def _signed(field: int) -> int:
    return field - 128 if field > 63 else field
