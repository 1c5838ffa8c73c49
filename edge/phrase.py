"""Puts the camera's measured motion into words, for captioners that speak of content only.

The words are those that wire.words gives numbers to, so a renderer can act on them. A captioner of
another make says what it likes: its bundle does not ask for this, and a caption that speaks of the
camera stands as it is.
"""

from itertools import pairwise

from wire.motion import CameraMotion, Motion
from wire.words import ROLL_DEGREES, WORD_SPEED, ZOOM_OCTAVES

_MOTION = frozenset(  # what captions say that a camera does, or is
    (
        "static",
        "handheld",
        "pans",
        "tilts",
        "zooms",
        "moves",
        "turns",
        "drives",
        "follows",
        "shakes",
        "rotates",
    )
)


def with_motion(caption: str, motion: Motion | None, *, still: bool) -> str:
    """Add to a caption what the camera does, or that nothing moves; a caption that says so itself stands."""
    words = caption.split()
    if "nothing" in words or any(a == "camera" and b in _MOTION for a, b in pairwise(words)):
        return caption
    said = "nothing moves" if still else camera_phrase(motion.camera) if motion else ""
    return f"{caption} {said}".strip()


def camera_phrase(camera: CameraMotion) -> str:
    """Name the strongest motion, as seen from the camera; empty for one that rests.

    Content that slides right means that the camera pans left; content that grows, that it moves forward.
    """
    if camera == CameraMotion():
        return ""
    zoom, roll = camera.zoom / ZOOM_OCTAVES, camera.roll / ROLL_DEGREES
    speeds = {
        "pans left" if camera.pan_x > 0 else "pans right": abs(camera.pan_x),
        "tilts up" if camera.pan_y > 0 else "tilts down": abs(camera.pan_y),
        "moves forward" if zoom > 0 else "moves backward": abs(zoom),
        "turns left" if roll > 0 else "turns right": abs(roll),
    }
    strongest = max(speeds, key=speeds.__getitem__)
    return " ".join(("camera", strongest, speed_word(speeds[strongest]))).strip()


def speed_word(displacement: float) -> str:
    """Name a displacement over the segment, in frames, by the word whose speed is nearest (by ratio)."""
    return min(
        WORD_SPEED, key=lambda word: max(WORD_SPEED[word] / displacement, displacement / WORD_SPEED[word])
    )
