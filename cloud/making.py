"""Makes the clip of one segment, and nothing twice.

    packets back to the last refresh, and the next one -> segments -> renderer -> MP4, poster, tail, document
                                          clip before, its tail ---'

Same packets, bundle, policy, seed and clip before: same clip, found by its fingerprint instead of made again.
The policy is what is in force (`cloud.terms`): what the packets demand, then what the settings ask for.
What falls short of that, for lack of memory, says so and is another clip (`cloud.shelf`).
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from cloud.bundles import Bundles
from cloud.catalog import poster_key, tail_key, video_key
from cloud.clock import Clock
from cloud.confidence.assessor import Assessment, Assessor
from cloud.excerpt import Excerpt, excerpt
from cloud.leases import Lease
from cloud.objects import Objects
from cloud.provenance.notary import UNSIGNED, Notary
from cloud.render.anchors import Scenery
from cloud.render.clip import fingerprint, goes_on, looked_at, provenance, render_segment, tail
from cloud.render.jpeg import to_jpeg
from cloud.render.mark import mark
from cloud.render.mp4 import Mp4Writer, OutputError
from cloud.render.renderer import Renderer, RenderError, output_rate, output_size
from cloud.render.seam import seam
from cloud.render.style import filter_of, paint, told
from cloud.scene import resolve_around
from cloud.schema import ClipRow
from cloud.shelf import Close, Shelf
from cloud.store import Store
from cloud.tails import Tail, clip_of, comes_first, encode_tail, made_alike, read_tail
from cloud.terms import Conditions, seed_of, stated
from wire.policy import Policy
from wire.segment import Segment

POSTER_QUALITY = 80
NOT_YET_MS = 500  # how soon to look again whether the clip before is there

log = structlog.get_logger()


class NotYetError(Exception):
    """The clip before, which this one goes on from, is being made, or is next."""


class Maker:
    """Renders what it is told to, under `terms`."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        shelf: Shelf,
        bundles: Bundles,
        terms: Conditions,
        clock: Clock,
        notary: Notary = UNSIGNED,
        assessor: Assessor | None = None,
    ) -> None:
        self._store = store
        self._objects = objects
        self._shelf = shelf
        self._bundles = bundles
        self._terms = terms
        self._clock = clock
        self._notary = notary
        self._assessor = assessor

    def make(self, lease: Lease, cancelled: Callable[[], bool], close: Close) -> None:
        """Make the clip, or find it; `close` tells the queue, in the transaction that makes it visible.

        Raises NotYetError, RenderCancelledError, LeaseLostError, StoreError, and what is wrong with the clip;
        PolicyError where its sender demands what cannot be met.
        """
        packet_id, started_s = lease.packet_id, time.perf_counter()
        with self._store.read() as session:
            source = excerpt(session, packet_id)
        shot = self._shot(lease, source)
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
                poster_key(name): to_jpeg(clip.poster, POSTER_QUALITY),
            }
            kept = None if clip.tail is None else encode_tail(clip.tail)
            if kept is not None:
                sources[tail_key(name)] = kept
            row = self._row(lease, shot, clip, name, keeps_tail=kept is not None)
            self._shelf.put(row, sources, lease, close)
        seconds = round(time.perf_counter() - started_s, 2)
        log.info("clip made", packet=packet_id, seconds=seconds, seam=clip.seam)

    def _shot(self, lease: Lease, source: Excerpt) -> "_Shot | str":
        """Put together all that a clip depends on; the fingerprint of what is there, if that clip is."""
        terms, key = self._terms.terms(source.path, lease.look), (lease.packet_id, lease.look)
        bundle = self._bundles.bundle(source.birth.bundle_sha256)
        renderer = self._bundles.renderer(bundle.short_sha256)
        codec = self._bundles.codec(bundle.short_sha256)
        segments, index = resolve_around(source.links, source.sequence, codec)
        found = terms.under(source.demands, segments[index].caption)
        policy = terms.rendering(found)
        packets = [link.packet for link in source.links]
        seen_as = {"look": lease.look} if lease.look else {}
        subject = _subject(source) | seen_as | told(bundle, policy)
        statement = provenance(subject, bundle.sha256, renderer, policy, seed_of(found), packets)
        statement["constraints"] = stated(found)
        tail = None
        if renderer.carries and goes_on(segments, index):
            clip = self._before(lease, segments[index - 1].sequence, statement)
            if clip is not None:
                # Also where its last frames are not kept any more: what was made of them stays.
                continued = statement | {"continues": clip.fingerprint}
                if held := self._shelf.holds(key, continued, self._clock()):
                    return held
                tail = read_tail(self._objects, clip, output_size(source.camera, policy.long_side_px))
        if tail is not None:
            statement["continues"] = tail.fingerprint
        elif held := self._shelf.holds(key, statement, self._clock()):
            return held
        scenery = terms.scenery(found)
        return _Shot(source, renderer, policy, seed_of(found), scenery, segments, index, tail, statement)

    def _before(self, lease: Lease, sequence: int, statement: dict[str, object]) -> ClipRow | None:
        """Give the clip before, if it was made as this one is to be; raises NotYetError before it is."""
        with self._store.read() as session:
            if comes_first(session, lease.packet_id, sequence, lease.look):
                raise NotYetError(f"segment {sequence}")
            clip = clip_of(session, lease.packet_id, sequence, lease.look)
        return clip if clip is not None and made_alike(clip, statement) else None

    def _render(self, shot: "_Shot", cancelled: Callable[[], bool], path: Path) -> "_Clip":
        camera, segment = shot.source.camera, shot.segments[shot.index]
        carried = None if shot.before is None else shot.before.frames
        shortfalls: list[str] = []
        style = filter_of(self._bundles.bundle(shot.source.birth.bundle_sha256), shot.policy)
        plain = shot.policy if style is None else replace(shot.policy, style_prompt="")
        started_s = time.perf_counter()
        frames = render_segment(
            shot.segments, shot.index, camera, shot.renderer, plain, shot.seed,
            carried, shot.scenery, cancelled, shortfalls.append,
        )  # fmt: skip
        if len(frames) == 0:
            raise RenderError(f"segment {segment.sequence} is shorter than a frame")
        rendered_s = time.perf_counter()
        assessment = self._assess(shot, frames)  # before a filter paints over what is compared
        assessed_s = time.perf_counter() - rendered_s
        frames = frames if style is None else paint(style, frames)
        statement = shot.statement | ({"degraded": "; ".join(shortfalls)} if shortfalls else {})
        width, height = output_size(camera, shot.policy.long_side_px)
        title = segment.caption or f"{shot.source.path} {segment.sequence}"
        rate = output_rate(camera, shot.policy)
        with Mp4Writer(path, width, height, rate, title, statement) as writer:
            writer.write(frames)
        render_ms = round((time.perf_counter() - started_s - assessed_s) * 1000)
        document = self._notary.finish(path, title, statement, assessment.stated)
        middle = len(frames) // 2
        return _Clip(
            statement=statement,
            size=path.stat().st_size,
            frames=writer.frames,
            render_ms=render_ms,
            document=document,
            confidence=assessment.score,
            poster=mark(frames[middle : middle + 1])[0],
            tail=tail(carried, frames, shot.renderer.carries),
            seam=None if carried is None else round(seam(carried, frames), 3),
        )

    def _assess(self, shot: "_Shot", frames: NDArray[np.uint8]) -> Assessment:
        if self._assessor is None:
            return Assessment(None, "not asked for in the settings of this cloud")
        received = shot.segments[shot.index]
        drawn = looked_at(received, shot.policy)
        if shot.policy.stand_in is not None:
            return Assessment(
                None, "people are drawn as stand-ins, and nothing of what the scene looked like"
            )
        if drawn.tokens is None and received.tokens is not None:
            return Assessment(None, "no plane of the appearance code is asked for (receiver.planes = 0)")
        bundle = self._bundles.bundle(shot.source.birth.bundle_sha256)
        return self._assessor.assess(bundle, drawn, frames, output_rate(shot.source.camera, shot.policy))

    def _row(self, lease: Lease, shot: "_Shot", clip: "_Clip", name: str, *, keeps_tail: bool) -> ClipRow:
        made, wanted = fingerprint(clip.statement), fingerprint(shot.statement)
        return ClipRow(
            packet_id=lease.packet_id,
            look=lease.look,
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
            document=clip.document,
            confidence=clip.confidence,
            made_ms=self._clock(),
        )


@dataclass(frozen=True, slots=True)
class _Shot:
    """What one clip is made of; `before` is what it goes on from, and `statement` names all of it."""

    source: Excerpt
    renderer: Renderer
    policy: Policy
    seed: int
    scenery: Scenery
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
    document: str  # the statement, with the hash of the film and how sure it is; signed, where there is a key
    confidence: float | None
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
