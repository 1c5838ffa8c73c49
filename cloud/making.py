"""Makes the clip of one segment, and nothing twice.

    packets back to the last refresh, and the next one -> segments -> renderer -> MP4, poster, tail
                                          clip before, its tail ---'

Same packets, bundle, policy, seed and clip before: same clip, found by its fingerprint instead of made again.
What falls short of that, for lack of memory, says so and is another clip (`cloud.shelf`).
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from cloud.bundles import Bundles
from cloud.catalog import poster_key, tail_key, video_key
from cloud.clock import Clock
from cloud.excerpt import Excerpt, excerpt
from cloud.leases import Lease
from cloud.objects import Objects
from cloud.render.anchors import Anchors
from cloud.render.clip import fingerprint, goes_on, provenance, render_segment, tail
from cloud.render.mark import mark
from cloud.render.mp4 import Mp4Writer, OutputError
from cloud.render.renderer import Renderer, RenderError, output_rate, output_size
from cloud.render.seam import seam
from cloud.scene import resolve_around
from cloud.schema import ClipRow
from cloud.shelf import Close, Shelf
from cloud.store import Store
from cloud.tails import Tail, clip_of, comes_first, encode_tail, made_alike, read_tail
from wire.policy import Policy
from wire.segment import Segment

POSTER_QUALITY = 80
NOT_YET_MS = 500  # how soon to look again whether the clip before is there
SEED = 0  # of every clip made here: who renders again sees the same

log = structlog.get_logger()


class NotYetError(Exception):
    """The clip before, which this one goes on from, is being made, or is next."""


class Maker:
    """Renders what it is told to. `anchors` are those of the policy."""

    def __init__(
        self, store: Store, objects: Objects, bundles: Bundles, policy: Policy, clock: Clock, anchors: Anchors
    ) -> None:
        self._store = store
        self._objects = objects
        self._shelf = Shelf(store, objects)
        self._bundles = bundles
        self._policy = policy
        self._anchors = anchors
        self._clock = clock

    def make(self, lease: Lease, cancelled: Callable[[], bool], close: Close) -> None:
        """Make the clip, or find it; `close` tells the queue, in the transaction that makes it visible.

        Raises NotYetError, RenderCancelledError, LeaseLostError, StoreError, and what is wrong with the clip.
        """
        packet_id, started_s = lease.packet_id, time.perf_counter()
        with self._store.read() as session:
            source = excerpt(session, packet_id)
        shot = self._shot(packet_id, source)
        if isinstance(shot, str):
            with self._store.write() as session:
                close(session, shot)
            return
        with _workplace() as folder:
            clip = self._render(shot, cancelled, folder / "clip.mp4")
            made = fingerprint(clip.statement)
            name = f"{made}-{lease.fence}"
            sources: dict[str, Path | bytes] = {
                video_key(name): folder / "clip.mp4",
                poster_key(name): _jpeg(clip.poster),
            }
            kept = None if clip.tail is None else encode_tail(clip.tail)
            if kept is not None:
                sources[tail_key(name)] = kept
            row = self._row(packet_id, shot, clip, name, keeps_tail=kept is not None)
            self._shelf.put(row, sources, lease, close)
        seconds = round(time.perf_counter() - started_s, 2)
        log.info("clip made", packet=packet_id, seconds=seconds, seam=clip.seam)

    def _shot(self, packet_id: int, source: Excerpt) -> "_Shot | str":
        """Put together all that a clip depends on; the fingerprint of what is there, if that clip is."""
        bundle = self._bundles.bundle(source.birth.bundle_sha256)
        renderer = self._bundles.renderer(bundle.short_sha256)
        codec = self._bundles.codec(bundle.short_sha256)
        segments, index = resolve_around(source.links, source.sequence, codec)
        packets = [link.packet for link in source.links]
        statement = provenance(_subject(source), bundle.sha256, renderer, self._policy, SEED, packets)
        tail = None
        if renderer.carries and goes_on(segments, index):
            clip = self._before(packet_id, segments[index - 1].sequence, statement)
            if clip is not None:
                # Also where its last frames are not kept any more: what was made of them stays.
                continued = statement | {"continues": clip.fingerprint}
                if held := self._shelf.holds(packet_id, continued, self._clock()):
                    return held
                tail = read_tail(self._objects, clip, output_size(source.camera, self._policy.long_side_px))
        if tail is not None:
            statement["continues"] = tail.fingerprint
        elif held := self._shelf.holds(packet_id, statement, self._clock()):
            return held
        return _Shot(source, renderer, segments, index, tail, statement)

    def _before(self, packet_id: int, sequence: int, statement: dict[str, object]) -> ClipRow | None:
        """Give the clip before, if it was made as this one is to be; raises NotYetError before it is."""
        with self._store.read() as session:
            if comes_first(session, packet_id, sequence):
                raise NotYetError(f"segment {sequence}")
            clip = clip_of(session, packet_id, sequence)
        return clip if clip is not None and made_alike(clip, statement) else None

    def _render(self, shot: "_Shot", cancelled: Callable[[], bool], path: Path) -> "_Clip":
        camera, segment = shot.source.camera, shot.segments[shot.index]
        carried = None if shot.before is None else shot.before.frames
        shortfalls: list[str] = []
        started_s = time.perf_counter()
        frames = render_segment(
            shot.segments, shot.index, camera, shot.renderer, self._policy, SEED,
            carried, self._anchors.pictures, cancelled, shortfalls.append,
        )  # fmt: skip
        statement = shot.statement | ({"degraded": "; ".join(shortfalls)} if shortfalls else {})
        if len(frames) == 0:
            raise RenderError(f"segment {segment.sequence} is shorter than a frame")
        width, height = output_size(camera, self._policy.long_side_px)
        title = segment.caption or f"{shot.source.path} {segment.sequence}"
        rate = output_rate(camera, self._policy)
        with Mp4Writer(path, width, height, rate, title, statement) as writer:
            writer.write(frames)
        middle = len(frames) // 2
        return _Clip(
            statement=statement,
            size=path.stat().st_size,
            frames=writer.frames,
            render_ms=round((time.perf_counter() - started_s) * 1000),
            poster=mark(frames[middle : middle + 1])[0],
            tail=tail(carried, frames, shot.renderer.carries),
            seam=None if carried is None else round(seam(carried, frames), 3),
        )

    def _row(self, packet_id: int, shot: "_Shot", clip: "_Clip", name: str, *, keeps_tail: bool) -> ClipRow:
        made, wanted = fingerprint(clip.statement), fingerprint(shot.statement)
        return ClipRow(
            packet_id=packet_id,
            fingerprint=made,
            wanted=None if made == wanted else wanted,
            video_key=video_key(name),
            poster_key=poster_key(name),
            tail_key=tail_key(name) if keeps_tail else None,
            size=clip.size,
            width=clip.poster.shape[1],
            height=clip.poster.shape[0],
            frames=clip.frames,
            render_ms=clip.render_ms,
            provenance=json.dumps(clip.statement, separators=(",", ":")),
            seam=clip.seam,
            made_ms=self._clock(),
        )


@dataclass(frozen=True, slots=True)
class _Shot:
    """What one clip is made of; `before` is what it goes on from, and `statement` names all of it."""

    source: Excerpt
    renderer: Renderer
    segments: Sequence[Segment]
    index: int
    before: Tail | None
    statement: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Clip:
    statement: dict[str, object]  # the shot's, and in what the clip falls short of it
    size: int
    frames: int
    render_ms: int  # to render, and to write as H.264
    poster: NDArray[np.uint8]  # (H, W, 3) RGB, marked
    tail: NDArray[np.uint8] | None  # (N, H, W, 3) RGB, unmarked
    seam: float | None


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """Give a temporary folder; raises OutputError where there is no room for one."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="mirage-clip-")
    except OSError as error:
        raise OutputError(f"temporary folder: {error.strerror}") from error
    with folder as name:
        yield Path(name)


def _subject(source: Excerpt) -> dict[str, object]:
    return {
        "camera": source.path,
        "boot": source.birth.boot_id,
        "segment": source.sequence,
        "source": [source.camera.width, source.camera.height, source.camera.fps],
    }


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, POSTER_QUALITY])
    if not done:
        raise RenderError(f"a poster of {picture.shape} pixels cannot be made")
    return data.tobytes()
