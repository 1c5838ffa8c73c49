"""Captions against written ones, against those of the reconstruction, and what they say of the camera."""

import re
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from mirage.bench.quality.statistics import Estimate, estimate
from mirage.bench.quality.system import Said


class Embedder(Protocol):
    """Makes vectors of unit length (N, D) of sentences."""

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embed N sentences."""


STATIC = "static"
_CAMERA = (  # what a caption says after "camera", in the order in which it is looked for
    (r"(static|motionless|steady|still)", STATIC),
    (r"(handheld|shak\w+)", "handheld"),
    (r"(orbit\w*|circle\w*|.*\baround\b)", "orbit"),
    (r"pans? (to the )?left", "pan-left"),
    (r"pans? (to the )?right", "pan-right"),
    (r"tilts? (up|upwards?)\b", "tilt-up"),
    (r"tilts? (down|downwards?)\b", "tilt-down"),
    (r"(zooms? in)", "forward"),
    (r"(zooms? out)", "backward"),
    (r"(moves?|drives?|flies|walks?|goes|follows?)( \w+)* (forwards?|ahead|toward)", "forward"),
    (r"(moves?|drives?|flies|walks?|goes)( \w+)* (backwards?|back|away)", "backward"),
    (r"(drives?|follows?)", "forward"),
    (r"turns? left", "turn-left"),
    (r"turns? right", "turn-right"),
)
# Zooming in and moving forward are one motion to the eye, and so to a caption.
_SAME = {"zoom-in": "forward", "zoom-out": "backward"}


class Similarity(msgspec.Struct, frozen=True):
    """Mean MiniLM cosine of pairs of captions, and of the same captions paired with those of other clips."""

    pairs: Estimate
    shuffled: Estimate
    above_shuffled: float


class Words(msgspec.Struct, frozen=True):
    """What captions are worth.

    written     ours against what somebody wrote of the segment
    survives    ours of the reconstruction against ours of the source
    camera      share whose camera class is the written one; handheld and orbit are classes
    moving      share that rightly says whether the camera moves
    """

    written: Similarity | None
    survives: Similarity | None
    camera: Estimate | None
    moving: Estimate | None
    captions: int


def camera_class(caption: str) -> str:
    """Read what a caption says about the camera; one that says nothing means a static one."""
    for clause in re.findall(r"camera ((?:(?!\bcamera\b).)*)", caption.lower()):
        for pattern, name in _CAMERA:
            if re.match(pattern, clause):
                return name
    return STATIC


def judge(said: Sequence[Said], embedder: Embedder) -> Words:
    """Hold the captions of all segments against written ones and against each other."""
    written = [each for each in said if each.written is not None]
    spoken = [each for each in said if each.caption]
    clips = [each.clip for each in written]
    truth = [_SAME.get(each.camera or STATIC, each.camera or STATIC) for each in written]
    heard = [camera_class(each.caption) for each in written]
    right = [float(a == b) for a, b in zip(heard, truth, strict=True)]
    moving = [float((a == STATIC) == (b == STATIC)) for a, b in zip(heard, truth, strict=True)]
    return Words(
        written=_similarity(
            [each.caption for each in written], [each.written or "" for each in written], clips, embedder
        ),
        survives=_similarity(
            [each.of_reconstruction for each in spoken], [each.caption for each in spoken],
            [each.clip for each in spoken], embedder,
        ),
        camera=estimate(right, clips),
        moving=estimate(moving, clips),
        captions=len(written),
    )  # fmt: skip


def _similarity(
    ours: Sequence[str], theirs: Sequence[str], clips: Sequence[str], embedder: Embedder
) -> Similarity | None:
    """Compare caption by caption; shuffled: each with all of other clips. None for fewer than two clips."""
    if len(set(clips)) < 2:
        return None
    cosines = embedder.embed(ours) @ embedder.embed(theirs).T
    pairs = estimate(np.diag(cosines).tolist(), clips)
    shuffled = estimate(_with_others(cosines, clips), clips)
    if pairs is None or shuffled is None:
        return None
    return Similarity(pairs, shuffled, pairs.mean - shuffled.mean)


def _with_others(cosines: NDArray[np.float32], clips: Sequence[str]) -> list[float]:
    names = np.array(clips)
    return [float(row[names != name].mean()) for row, name in zip(cosines, names, strict=True)]
