"""Parts of a camera's picture that are never seen, or the only ones that are.

    { see = "never", box = [0.6, 0.1, 0.9, 0.5] }               left, top, right, bottom
    { see = "only", points = [[0, 0.3], [1, 0.3], [1, 1], [0, 1]] }

All numbers are shares of the picture's width and height, from its upper left corner.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Point = tuple[Share, Share]


class Zone(Struct, frozen=True, forbid_unknown_fields=True):
    """A polygon, or a box, that is `never` seen or the `only` part that is."""

    see: Literal["never", "only"] = "never"
    points: Annotated[tuple[Point, ...], Meta(max_length=64)] = ()
    box: tuple[Share, Share, Share, Share] | None = None

    def __post_init__(self) -> None:
        if (self.box is None) == (not self.points):
            raise ValueError("a zone has either points or a box: give one of them")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"box {list(self.box)} is empty: it is left, top, right, bottom")
        if self.points and len(self.points) < 3:
            raise ValueError(f"points has {len(self.points)}, a polygon takes 3 or more")

    @property
    def corners(self) -> tuple[Point, ...]:
        """Corners in order, as shares of width and height."""
        if self.box is None:
            return self.points
        left, top, right, bottom = self.box
        return (left, top), (right, top), (right, bottom), (left, bottom)
