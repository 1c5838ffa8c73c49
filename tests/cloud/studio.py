"""A worker over a store, and what it made."""

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from cloud import jobs
from cloud.access.roles import Role
from cloud.bundles import Bundles
from cloud.catalog import Catalog, SegmentView
from cloud.lanes import Lane
from cloud.objects import Objects
from cloud.render.anchors import Anchors
from cloud.render.renderer import Renderer, never
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.cloud.desk import NOW_MS
from wire.bundle import Bundle
from wire.policy import Policy

CAMERA_ID = "acme/north/jetson-1/gate"
FOLDERS = ("clips", "posters", "tails")


class Studio:
    """A worker over a store, and what it made."""

    def __init__(
        self,
        store: Store,
        place: Path | str,
        bundle: Bundle,
        renderer: Renderer,
        policy: Policy = Policy(long_side_px=64),  # noqa: B008 -- frozen
        anchors: Anchors = Anchors(),  # noqa: B008 -- frozen
    ) -> None:
        self.store = store
        self.objects = Objects(str(place))
        self.catalog = Catalog(store)
        self.now_ms = NOW_MS
        self.policy = policy
        bundles = Bundles([bundle], lambda _bundle, _threads: renderer)
        self.worker = Worker(store, self.objects, bundles, Terms.of(policy, anchors), lambda: self.now_ms)

    def kinds(self) -> list[str]:
        """Name the kinds of objects that are there, each as often as there are such."""
        found = (self.objects.listed(folder) for folder in FOLDERS)
        return sorted(PurePosixPath(each.key).suffix for pages in found for page in pages for each in page)

    def segments(self) -> list[SegmentView]:
        """Oldest first."""
        return self.catalog.segments(CAMERA_ID, role=Role.ADMIN)[::-1]

    def ask(self, segment: SegmentView, cancelled: Callable[[], bool] = never) -> SegmentView:
        """Have one segment rendered, as someone who waits for it would."""
        with self.store.write() as session:
            jobs.enqueue(session, segment.id, self.now_ms, lane=Lane.LIVE)
        self.worker.work(cancelled)
        return self.catalog.segment(segment.id, Role.ADMIN)

    def statements(self) -> list[dict[str, object]]:
        """Give what is said of the clips that were made, the oldest first."""
        return [self.statement(segment) for segment in self.segments() if segment.clip is not None]

    def statement(self, segment: SegmentView) -> dict[str, object]:
        """Give what is said of a segment's clip."""
        clip = self.catalog.segment(segment.id, Role.ADMIN).clip
        assert clip is not None, f"segment {segment.id} has no clip"
        said: dict[str, object] = json.loads(clip.provenance)
        return said
