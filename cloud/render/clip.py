"""Segments become frames, in order: the one path that offline decoding and the cloud's worker share.

A renderer that carries goes on from the last frames of the clip before, wherever the scene does:

    segment 1 --> frames --last N--> segment 2 --> frames --last N--> segment 3    | cut |    segment 4
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from cloud.render.anchors import NO_SCENERY, Scenery
from cloud.render.renderer import (
    Context,
    Renderer,
    RenderError,
    frame_span,
    ignore,
    never,
    output_rate,
    output_size,
)
from cloud.render.stand_in import anonymous, with_planes
from wire.documents import CameraInfo
from wire.packet import Packet
from wire.policy import Policy
from wire.segment import Segment

NOTICE = "AI-reconstructed from a description; not a recording"

MAX_PIXELS = 2**28  # of one segment, 0.8 GB: a minute of 720p at 5 frames a second
_ADJACENT_MS = 2  # rounding of start and duration; more is a gap, across which nothing is blended


Frames = NDArray[np.uint8]


def render_recording(
    segments: Sequence[Segment],
    camera: CameraInfo,
    renderer: Renderer,
    policy: Policy,
    seed: int,
    progress: Callable[[], None] | None = None,
    scenery: Scenery = NO_SCENERY,
) -> Iterator[Frames]:
    """Yield the frames (T, H, W, 3) of each segment; all together are the frames of the recording.

    `progress` is called after each. A segment shorter than a frame may yield none. Raises RenderError.
    """
    carried: Frames | None = None
    for index in range(len(segments)):
        if not goes_on(segments, index):
            carried = None
        frames = render_segment(segments, index, camera, renderer, policy, seed, carried, scenery)
        carried = tail(carried, frames, renderer.carries)
        yield frames
        if progress is not None:
            progress()


def render_segment(
    segments: Sequence[Segment],
    index: int,
    camera: CameraInfo,
    renderer: Renderer,
    policy: Policy,
    seed: int,
    carried: Frames | None = None,
    scenery: Scenery = NO_SCENERY,
    cancelled: Callable[[], bool] = never,
    degraded: Callable[[str], None] = ignore,
) -> Frames:
    """Render one of `segments`, which are those of one camera in order.

    `carried` is the `tail` of the clip before, if this one goes on from it. `degraded` is told in what the
    frames fall short, if they do. Raises RenderError, RenderCancelledError.
    """
    segment = segments[index]
    first, end = frame_span(segment, output_rate(camera, policy))
    width, height = output_size(camera, policy.long_side_px)
    shape = (end - first, height, width, 3)
    if first == end:
        return np.zeros(shape, np.uint8)
    if not segment.still and (end - first) * height * width > MAX_PIXELS:
        raise RenderError(
            f"segment {segment.sequence} would be {end - first} frames of {width}x{height}: "
            f"more than {MAX_PIXELS:,} pixels at once"
        )
    seen = [looked_at(each, policy) for each in segments[max(index - 1, 0) : index + 2]]
    place = min(index, 1)
    figure = None if policy.stand_in is None else scenery.figure
    context = replace(
        context_of(seen, place), carried=carried, anchors=scenery.pictures, grounds=scenery.grounds,
        figure=figure, degraded=degraded,
    )  # fmt: skip
    frames = renderer.render(seen[place], context, camera, policy, seed, cancelled)
    if frames.shape != shape or frames.dtype != np.uint8:
        raise RenderError(
            f"renderer {renderer.name} gave {frames.dtype} {frames.shape} for segment {segment.sequence}, "
            f"expected uint8 {shape}"
        )
    return frames


def looked_at(segment: Segment, policy: Policy) -> Segment:
    """Give of a segment what a renderer may look at, and no more."""
    if policy.stand_in is not None:
        return anonymous(segment)
    return segment if policy.planes is None else with_planes(segment, policy.planes)


def tail(carried: Frames | None, frames: Frames, count: int) -> Frames | None:
    """Give the last `count` frames up to the end of a clip, for the next one to go on from; None for none.

    Where the clip is shorter, what it went on from itself makes up for it; a scene that has only begun
    has fewer.
    """
    if count == 0 or (len(frames) == 0 and carried is None):
        return None
    if carried is None or len(frames) >= count:
        return frames[-count:].copy()
    return np.concatenate([carried, frames])[-count:]


def goes_on(segments: Sequence[Segment], index: int) -> bool:
    """Tell whether a segment continues the scene of the one before it: no cut, no gap."""
    return index > 0 and _continues(segments[index - 1], segments[index])


def context_of(segments: Sequence[Segment], index: int) -> Context:
    """Give the neighbours of a segment that continue the same scene."""
    last = index + 1 == len(segments)
    return Context(
        previous=segments[index - 1] if goes_on(segments, index) else None,
        next=segments[index + 1] if not last and goes_on(segments, index + 1) else None,
    )


def provenance(
    subject: Mapping[str, object],
    bundle_sha256: str,
    renderer: Renderer,
    policy: Policy,
    seed: int,
    packets: Sequence[Packet],
) -> dict[str, object]:
    """State what a clip was made from; the same statement is the same clip.

    `subject` says what it shows (camera, segment, ...). `packets` are all that the clip depends on; they
    are named by sequence, by the bytes of all their bodies, and by the hash of these.

    "continues" is null: whoever lets a clip go on from another puts the fingerprint of that one there. Of a
    clip that falls short of what was asked for, "degraded" says in what, once it was made.
    """
    digest, size = hashlib.sha256(), 0
    for packet in packets:
        body = bytes(packet)
        size += len(body)
        digest.update(len(body).to_bytes(4, "big") + body)
    return {
        "notice": NOTICE,
        **subject,
        "bundle": bundle_sha256,
        "renderer": renderer.name,
        "policy": asdict(policy),
        "seed": seed,
        "packets": [packet.sequence for packet in packets],
        "packets_bytes": size,
        "packets_sha256": digest.hexdigest(),
        "continues": None,
    }


def fingerprint(statement: Mapping[str, object]) -> str:
    """Hash a provenance: SHA-256 in hex."""
    return hashlib.sha256(json.dumps(statement, sort_keys=True).encode()).hexdigest()


def _continues(before: Segment, after: Segment) -> bool:
    gap_ms = after.start_ms - (before.start_ms + before.duration_ms)
    return not after.cut and abs(gap_ms) <= _ADJACENT_MS
