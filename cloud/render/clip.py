"""Segments become frames, in order: the one path that offline decoding and the cloud's worker share."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from cloud.render.renderer import Context, Renderer, RenderError, frame_span, output_rate, output_size
from wire.documents import CameraInfo
from wire.packet import Packet
from wire.policy import Policy
from wire.segment import Segment

NOTICE = "AI-reconstructed from a description; not a recording"

MAX_PIXELS = 2**28  # of one segment, 0.8 GB: a minute of 720p at 5 frames a second
_ADJACENT_MS = 2  # rounding of start and duration; more is a gap, across which nothing is blended


def render_recording(
    segments: Sequence[Segment],
    camera: CameraInfo,
    renderer: Renderer,
    policy: Policy,
    seed: int,
    progress: Callable[[], None] | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames (T, H, W, 3) of each segment; all together are the frames of the recording.

    `progress` is called after each. A segment shorter than a frame may yield none. Raises RenderError.
    """
    for index in range(len(segments)):
        yield render_segment(segments, index, camera, renderer, policy, seed)
        if progress is not None:
            progress()


def render_segment(
    segments: Sequence[Segment], index: int, camera: CameraInfo, renderer: Renderer, policy: Policy, seed: int
) -> NDArray[np.uint8]:
    """Render one of `segments`, which are those of one camera in order. Raises RenderError."""
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
    frames = renderer.render(segment, context_of(segments, index), camera, policy, seed)
    if frames.shape != shape or frames.dtype != np.uint8:
        raise RenderError(
            f"renderer {renderer.name} gave {frames.dtype} {frames.shape} for segment {segment.sequence}, "
            f"expected uint8 {shape}"
        )
    return frames


def context_of(segments: Sequence[Segment], index: int) -> Context:
    """Give the neighbours of a segment that continue the same scene."""
    before = segments[index - 1] if index > 0 else None
    after = segments[index + 1] if index + 1 < len(segments) else None
    return Context(
        previous=before if before is not None and _continues(before, segments[index]) else None,
        next=after if after is not None and _continues(segments[index], after) else None,
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
    are named by sequence and by the hash of their bodies.
    """
    digest = hashlib.sha256()
    for packet in packets:
        body = bytes(packet)
        digest.update(len(body).to_bytes(4, "big") + body)
    return {
        "notice": NOTICE,
        **subject,
        "bundle": bundle_sha256,
        "renderer": renderer.name,
        "policy": asdict(policy),
        "seed": seed,
        "packets": [packet.sequence for packet in packets],
        "packets_sha256": digest.hexdigest(),
    }


def fingerprint(statement: Mapping[str, object]) -> str:
    """Hash a provenance: SHA-256 in hex."""
    return hashlib.sha256(json.dumps(statement, sort_keys=True).encode()).hexdigest()


def _continues(before: Segment, after: Segment) -> bool:
    gap_ms = after.start_ms - (before.start_ms + before.duration_ms)
    return not after.cut and abs(gap_ms) <= _ADJACENT_MS
