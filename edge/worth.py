"""What a part of a segment is worth to whoever watches: points of likeness, times the seconds it is seen.

    words      a caption is the whole of what is said: 1 point
    motion     what moves is seen to move: 0.25 points, fewer where little does
    picture    each cell by the planes that are known of it, less where it shows what is gone

A point is one of the spatial cosine of docs/quality.md for pictures, of the cosine of sentences for words,
and of flow agreement for motion (0.26 with the motion layer, 0.01 without it). The numbers of pictures are
fitted to what `mirage bench governor` measures on recorded scenes (its "fit"; docs/bandwidth.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wire.motion import Motion

WORDS = 1.0
MOTION = 0.25
RESTS = 0.01  # points of spatial cosine: a renderer that knows that nothing moves lets it rest
MOVES = 0.02  # of the frame, moved by its own width: motion of this energy is worth half of all
DEPTHS = ((4, 8, 0.05), (8, 12, 0.02), (12, 24, 0.0125))  # from and to so many planes: so many points
STALE = 0.018  # points for each unit of squared difference; 1 is just visible
STALEST = 16.0  # beyond, another picture is as wrong as any
NOTHING = 0.27  # points that a coarse picture is better than none
LENGTH = 0.18  # points that segments lose which are e times as long: captions and pictures come later
VECTOR = 0.1  # of an embedding, for renderers that take one: not measured yet

Cells = NDArray[np.float64]  # (h, w)


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as the receiver would have it: planes known of each cell, and how wrong each is."""

    depth: Cells
    difference: Cells

    def points(self, stays: float) -> float:
        """Say what one second is worth; `stays` of its cells are expected to last to the next segment."""
        lasts = 1 / max(1 - stays, 0.1)
        depth = np.where(self.difference > 1, 0, self.depth)  # of what is gone, detail tells nothing
        known = sum(
            points * float(np.clip((depth - low) / (high - low), 0, 1).mean()) for low, high, points in DEPTHS
        )
        return NOTHING + lasts * known - STALE * float(np.minimum(self.difference, STALEST).mean())


def motion_points(motion: Motion) -> float:
    """Say what one second of motion is worth, by its energy."""
    energy = energy_of(motion)
    return RESTS + MOTION * energy / (energy + MOVES)


def energy_of(motion: Motion) -> float:
    """Measure how much of the frame moves how far: 1 is all of it, by its own width."""
    camera = motion.camera
    energy = float(np.hypot(camera.pan_x, camera.pan_y)) + abs(camera.zoom) / 4 + abs(camera.roll) / 180
    for item in motion.objects:
        energy += item.width * item.height * float(np.hypot(item.dx, item.dy))
    return min(energy, 1.0)
