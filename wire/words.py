"""What a renderer reads of a caption: words of motion exactly, all other words by their hash.

    "a red car drives to the left slowly" -> [hash red, hash car, DRIVES, TO, LEFT, SLOWLY, 0, 0, ...]

Ids depend on no vocabulary, so a captioner may learn new words without the renderer forgetting how to
read. Append to LEXICON, never reorder it: a trained renderer knows its rows by number.
"""

import zlib
from collections.abc import Mapping
from typing import Final

LEXICON: Final = (
    ("camera",),
    ("static", "motionless", "steady"),
    ("nothing",),
    ("still",),
    ("moves", "move", "moving", "moved", "slides", "slide", "sliding", "goes", "passes", "crosses"),
    ("pans", "pan", "panning"),
    ("tilts", "tilt", "tilting"),
    ("zooms", "zoom", "zooming"),
    ("turns", "turn", "turning", "rotates", "rotate", "rotating"),
    ("drives", "drive", "driving"),
    ("follows", "follow", "following"),
    ("handheld", "shakes", "shaking"),
    ("walks", "walk", "walking"),
    ("runs", "run", "running"),
    ("flies", "fly", "flying"),
    ("swims", "swim", "swimming"),
    ("falls", "fall", "falling"),
    ("lifts", "lift", "raises", "rises"),
    ("lowers", "lower"),
    ("stands", "stand", "standing", "sits", "sit"),
    ("parked",),
    ("left",),
    ("right",),
    ("up", "upward", "upwards"),
    ("down", "downward", "downwards"),
    ("forward", "forwards", "ahead"),
    ("backward", "backwards"),
    ("in", "into"),
    ("out",),
    ("toward", "towards", "closer"),
    ("away",),
    ("around",),
    ("past",),
    ("and",),
    ("from",),
    ("to",),
    ("on",),
    ("at",),
    ("top", "above"),
    ("bottom", "below"),
    ("middle", "center", "centre"),
    ("slowly", "slow", "gently"),
    ("quickly", "fast", "rapidly"),
    ("slightly",),
    ("piece",),
)  # fmt: skip
FIRST_OTHER: Final = 64  # ids below are for words of motion, with room for more of them
SKIPPED: Final = frozenset({"a", "an", "the"})
BUCKETS: Final = 1024  # of all other words
SIZE: Final = FIRST_OTHER + BUCKETS  # of ids; 0 is no word

# Displacement over a segment, in frames, that a word of speed stands for, and its absence: the geometric
# means of what synthetic motion calls slow (0.03 to 0.12) and quick (0.12 to 0.6), and their border.
# A zoom of that speed is of twice as many octaves, a roll of 90 times as many degrees.
WORD_SPEED: Final[Mapping[str, float]] = {"slowly": 0.06, "": 0.12, "quickly": 0.27}
ZOOM_OCTAVES: Final = 2.0
ROLL_DEGREES: Final = 90.0

_ROWS: Final = {word: 1 + row for row, words in enumerate(LEXICON) for word in words}


def read_words(caption: str, length: int) -> list[int]:
    """Word ids of a caption without its articles, cut and padded with 0 to `length`."""
    words = (word.strip(",.;:!?\"'()") for word in caption.lower().split())
    ids = [word_id(word) for word in words if word and word not in SKIPPED][:length]
    return ids + [0] * (length - len(ids))


def word_id(word: str) -> int:
    """Give the id of one word in lower case: below FIRST_OTHER for a word of motion."""
    row = _ROWS.get(word)
    return row if row is not None else FIRST_OTHER + zlib.crc32(word.encode()) % BUCKETS
