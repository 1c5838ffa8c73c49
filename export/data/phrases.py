"""How the motion of synthetic scenes is put into words: every phrase has a number."""

from typing import Final

SPEEDS: Final = ("", "slowly", "quickly")  # as in wire.words.WORD_SPEED

# What the content does decides what the camera does: content that slides right means a pan to the left.
_CAMERA: Final = (
    "camera pans left", "camera tilts up", "camera pans right", "camera tilts down",
    "camera moves forward", "camera moves backward", "camera turns left", "camera turns right",
)  # fmt: skip
_DIRECTIONS: Final = (
    "right", "down and right", "down", "down and left", "left", "up and left", "up", "up and right",
)  # fmt: skip
_VERBS: Final = ("moves", "slides", "walks", "drives", "runs", "goes")

# Eight motions times SPEEDS; then the camera rests, then nothing moves, then nothing is said.
CAMERA_PHRASES: Final = (
    *(f"{motion} {speed}".strip() for motion in _CAMERA for speed in SPEEDS),
    "camera static",
    "nothing moves",
    "",
)
# Verb x direction x SPEEDS.
OBJECT_PHRASES: Final = tuple(
    f"{verb} {'to the ' * (verb == 'goes' and direction in ('left', 'right'))}{direction} {speed}".strip()
    for verb in _VERBS
    for direction in _DIRECTIONS
    for speed in SPEEDS
)
PLACE_PHRASES: Final = ("", "on the left", "on the right", "at the top", "at the bottom", "in the middle")
_BEFORE: Final = frozenset(
    {
        "on",
        "in",
        "at",
        "with",
        "beside",
        "under",
        "from",
        "over",
        "and",
        "behind",
        "seen",
        "shows",
        "holds",
        "of",
    }
)


def head_phrase(caption: str) -> str:
    """Give what a caption is about: its words up to the first that opens a place or a side."""
    words = caption.split()
    ends = [number for number, word in enumerate(words) if word in _BEFORE and number > 1]
    return " ".join(words[: ends[0]] if ends else words[:5])
