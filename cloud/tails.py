"""What a clip leaves for the next one to go on from: its last frames, before they were marked.

clip k --last N frames, lossless--> tails/{fingerprint of k}-….png --> clip k + 1, which names it

They are kept beside video and poster, only for renderers that carry, and only of the last clips of a camera
(`cloud.shelf`). Where they are not there (the clip was not made, or long ago, or otherwise than this one is
to be), the next clip is made without them and says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, aliased

from cloud.objects import MissingObjectError, Objects
from cloud.schema import ClipRow, JobRow, PacketRow

# Also `source`, since it gives the size: another birth of the boot may have named another.
_ALIKE = ("camera", "boot", "look", "source", "bundle", "renderer", "policy", "constraints", "seed")

_MAX_ROWS = 1_000_000  # libpng reads no more
_MAX_PIXELS = 2**28  # OpenCV reads four times as many; as PNG it is up to 0.8 GB

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tail:
    """The last frames (N, H, W, 3) RGB of the clip `fingerprint`."""

    fingerprint: str
    frames: NDArray[np.uint8]


def clip_of(session: Session, packet_id: int, sequence: int, look: str = "") -> ClipRow | None:
    """Find the clip of another packet of the same boot by its `sequence`, if it was made under a look."""
    here = aliased(PacketRow)
    return session.scalar(
        select(ClipRow)
        .join(PacketRow, PacketRow.id == ClipRow.packet_id)
        .join(here, here.boot_id == PacketRow.boot_id)
        .where(here.id == packet_id, PacketRow.sequence == sequence, ClipRow.look == look)
    )


def comes_first(session: Session, packet_id: int, sequence: int, look: str = "") -> bool:
    """Tell whether the clip of another packet of the same boot is being made, or is to be before this one.

    That one is known by its `sequence`; what failed before is not waited for.
    """
    here, ours = aliased(PacketRow), aliased(JobRow)
    next_to_be = and_(
        JobRow.state == "queued", JobRow.attempts == 0,
        JobRow.lane <= ours.lane, JobRow.asked_ms <= ours.asked_ms,
    )  # fmt: skip
    found = session.scalar(
        select(JobRow.packet_id)
        .join(PacketRow, PacketRow.id == JobRow.packet_id)
        .join(here, here.boot_id == PacketRow.boot_id)
        .join(ours, and_(ours.packet_id == here.id, ours.look == look))
        .where(here.id == packet_id, PacketRow.sequence == sequence, JobRow.look == look)
        .where(or_(JobRow.state == "running", next_to_be))
    )
    return found is not None


def made_alike(clip: ClipRow, statement: Mapping[str, object]) -> bool:
    """Tell whether a clip was made as `statement` says of another of the same camera."""
    theirs, ours = json.loads(clip.provenance), json.loads(json.dumps(statement))
    return all(theirs.get(key) == ours.get(key) for key in _ALIKE)


def read_tail(objects: Objects, clip: ClipRow, size: tuple[int, int]) -> Tail | None:
    """Read what a clip left for the next, which is of `size` (width, height); None if nothing is there.

    Raises ObjectsError where the place of objects does not answer.
    """
    key = clip.tail_key
    if key is None:
        return None
    try:
        size_bytes = objects.size(key)
        data = objects.read(key, 0, size_bytes) if size_bytes else b""
    except MissingObjectError:
        return None
    width, height = size
    try:
        stacked = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # for instance more pixels than it reads
        stacked = None
    if stacked is None or stacked.shape[1] != width or len(stacked) % height:
        log.warning("what a clip left cannot be read; the next begins anew", key=key)
        return None
    frames = np.ascontiguousarray(stacked[..., ::-1], dtype=np.uint8).reshape(-1, height, width, 3)
    return Tail(clip.fingerprint, frames)


def encode_tail(frames: NDArray[np.uint8]) -> bytes | None:
    """Write frames (N, H, W, 3) RGB as one PNG, one below the other; None if they are too many to be read."""
    count, height, width, _ = frames.shape
    rows = count * height
    done = False
    if rows <= _MAX_ROWS and rows * width <= _MAX_PIXELS:
        try:
            done, data = cv2.imencode(".png", frames.reshape(rows, width, 3)[..., ::-1])
        except cv2.error as error:
            log.warning("last frames cannot be written as PNG", error=str(error).strip())
    if not done:
        log.warning(
            "no last frames are kept; the next clip begins anew", frames=count, width=width, height=height
        )
        return None
    return data.tobytes()
