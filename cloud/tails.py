"""What a clip leaves for the next one to go on from: its last frames, before they were marked.

clip k --last N frames, lossless--> tails/{fingerprint of k}.png --> clip k + 1, which names that fingerprint

They are kept beside video and poster, and only for renderers that carry. Where they are not there (the clip
was not made, or otherwise than this one is to be), the next clip is made without them and says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from cloud.catalog import tail_key
from cloud.objects import MissingObjectError, Objects
from cloud.render.renderer import RenderError
from cloud.schema import ClipRow, PacketRow

# Also `source`, since it gives the size: another birth of the boot may have named another.
_ALIKE = ("camera", "boot", "source", "bundle", "renderer", "policy", "seed")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tail:
    """The last frames (N, H, W, 3) RGB of the clip `fingerprint`."""

    fingerprint: str
    frames: NDArray[np.uint8]


def clip_of(session: Session, packet_id: int, sequence: int) -> ClipRow | None:
    """Find the clip of another packet of the same boot by its `sequence`, if it was made."""
    here = aliased(PacketRow)
    return session.scalar(
        select(ClipRow)
        .join(PacketRow, PacketRow.id == ClipRow.packet_id)
        .join(here, here.boot_id == PacketRow.boot_id)
        .where(here.id == packet_id, PacketRow.sequence == sequence)
    )


def made_alike(clip: ClipRow, statement: Mapping[str, object]) -> bool:
    """Tell whether a clip was made as `statement` says of another of the same camera."""
    theirs, ours = json.loads(clip.provenance), json.loads(json.dumps(statement))
    return all(theirs.get(key) == ours[key] for key in _ALIKE)


def read_tail(objects: Objects, clip: ClipRow, size: tuple[int, int]) -> Tail | None:
    """Read what a clip left for the next, which is of `size` (width, height); None if nothing is there.

    Raises ObjectsError where the place of objects does not answer.
    """
    key = tail_key(clip.fingerprint)
    try:
        size_bytes = objects.size(key)
        data = objects.read(key, 0, size_bytes) if size_bytes else b""
    except MissingObjectError:
        return None
    width, height = size
    stacked = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if stacked is None or stacked.shape[1] != width or len(stacked) % height:
        log.warning("what a clip left cannot be read; the next begins anew", key=key)
        return None
    frames = np.ascontiguousarray(stacked[..., ::-1], dtype=np.uint8).reshape(-1, height, width, 3)
    return Tail(clip.fingerprint, frames)


def encode_tail(frames: NDArray[np.uint8]) -> bytes:
    """Write frames (N, H, W, 3) RGB as one PNG, one below the other."""
    count, height, width, _ = frames.shape
    done, data = cv2.imencode(".png", frames.reshape(count * height, width, 3)[..., ::-1])
    if not done:
        raise RenderError(f"{count} frames of {width}x{height} cannot be kept as PNG")
    return data.tobytes()
