"""Which segments the timeline lists: a camera's newest, or those around one that a link led to.

newest ......[ later | the one | earlier ]...... oldest
        until_ms                         most of them
"""

from cloud.catalog import SegmentView
from cloud.page.sight import Sight

PAGE = 48  # segments listed at first, and added by "Show earlier" and "Show later"
LATER = 4  # newer ones above what a link leads to, so that it is in view


class Window:
    """Reads the store, so it is for threads; raises StoreError and UnknownCameraError."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self.most = PAGE
        self.until_ms: int | None = None  # all that is listed begins before; None: the newest are

    def reset(self) -> None:
        """List the newest."""
        self.most, self.until_ms = PAGE, None

    def listed(self, camera: str) -> list[SegmentView]:
        """Give the segments, the newest first."""
        return self._sight.segments(camera, self.most, self.until_ms)

    def around(self, segment: SegmentView) -> None:
        """List a segment near the upper end of others."""
        self.reset()
        self.until_ms = self._sight.later_ms(segment.camera, segment.start_ms, LATER + 1)

    def earlier(self) -> None:
        """List older ones, too."""
        self.most += PAGE

    def later(self, camera: str) -> None:
        """List newer ones, too."""
        self._move(camera, PAGE)
        self.most += PAGE

    def slide(self, camera: str) -> None:
        """List some newer ones, and as many older ones no more."""
        self._move(camera, LATER)

    def _move(self, camera: str, count: int) -> None:
        if self.until_ms is not None:
            # What begins there is not listed yet, so it counts.
            self.until_ms = self._sight.later_ms(camera, self.until_ms - 1, count + 1)
