"""Makes clips of segments: one job after the other, on one thread.

    job -> packets back to the last refresh, and the next one -> segments -> renderer -> MP4, poster

Same packets, bundle, policy and seed: same clip, found by its fingerprint instead of made again.
"""

import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from cloud import jobs
from cloud.bundles import Bundles
from cloud.catalog import poster_key, video_key
from cloud.clock import Clock, wall_ms
from cloud.excerpt import Excerpt, excerpt
from cloud.objects import MissingObjectError, Objects, ObjectsError
from cloud.render.clip import fingerprint, provenance, render_segment
from cloud.render.mark import mark
from cloud.render.mp4 import Mp4Writer, OutputError
from cloud.render.renderer import Renderer, RenderError, output_rate, output_size
from cloud.scene import resolve_around
from cloud.schema import ClipRow
from cloud.store import Store
from wire.bundle import BundleError
from wire.documents import DocumentError
from wire.packet import PacketError
from wire.policy import Policy

POLL_S = 0.25  # how soon a new job is noticed; asking costs one indexed query
POSTER_QUALITY = 80
SEED = 0  # of every clip made here: who renders again sees the same

log = structlog.get_logger()


class Worker:
    """Renders what the queue asks for. Use one at a time per store."""

    def __init__(
        self, store: Store, objects: Objects, bundles: Bundles, policy: Policy, clock: Clock = wall_ms
    ) -> None:
        self._store = store
        self._objects = objects
        self._bundles = bundles
        self._policy = policy
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`. Begins with what an earlier worker left unfinished."""
        with self._store.write() as session:
            left = jobs.requeue_running(session, self._clock())
        if left:
            log.info("unfinished jobs found", jobs=left)
        while not stop.is_set():
            if not self.work():
                stop.wait(POLL_S)

    def work(self) -> bool:
        """Do the next job; False if there was none. A job that fails is marked so, with the reason."""
        if not self._is_due():
            return False
        with self._store.write() as session:
            packet_id = jobs.take(session, self._clock())
        if packet_id is None:
            return False
        started_s = time.perf_counter()
        error = None
        try:
            self._make(packet_id)
        except (RenderError, OutputError, ObjectsError, PacketError, DocumentError, BundleError) as failure:
            error = str(failure)
            log.warning("clip failed", packet=packet_id, error=error)
        with self._store.write() as session:
            jobs.finish(session, packet_id, self._clock(), error)
        if error is None:
            log.info("clip made", packet=packet_id, seconds=round(time.perf_counter() - started_s, 2))
        return True

    def _is_due(self) -> bool:
        with self._store.read() as session:
            return jobs.is_due(session, self._clock())

    def _make(self, packet_id: int) -> None:
        with self._store.read() as session:
            source = excerpt(session, packet_id)
            known = session.get(ClipRow, packet_id)
        bundle = self._bundles.bundle(source.birth.bundle_sha256)
        renderer = self._bundles.renderer(bundle.short_sha256)
        packets = [link.packet for link in source.links]
        statement = provenance(_subject(source), bundle.sha256, renderer, self._policy, SEED, packets)
        made = fingerprint(statement)
        if known is not None and known.fingerprint == made and self._is_whole(known):
            return
        with _workplace() as folder:
            clip = self._render(source, renderer, statement, folder / "clip.mp4")
            self._objects.put_all(
                {video_key(made): folder / "clip.mp4", poster_key(made): _jpeg(clip.poster)}
            )
        with self._store.write() as session:
            session.merge(
                ClipRow(
                    packet_id=packet_id,
                    fingerprint=made,
                    video_key=video_key(made),
                    poster_key=poster_key(made),
                    size=clip.size,
                    width=clip.poster.shape[1],
                    height=clip.poster.shape[0],
                    frames=clip.frames,
                    render_ms=clip.render_ms,
                    provenance=json.dumps(statement, separators=(",", ":")),
                    made_ms=self._clock(),
                )
            )

    def _render(
        self, source: Excerpt, renderer: Renderer, statement: Mapping[str, object], path: Path
    ) -> "_Clip":
        codec = self._bundles.codec(source.birth.bundle_sha256)
        segments, index = resolve_around(source.links, source.sequence, codec)
        started_s = time.perf_counter()
        frames = render_segment(segments, index, source.camera, renderer, self._policy, SEED)
        if len(frames) == 0:
            raise RenderError(f"segment {source.sequence} is shorter than a frame")
        width, height = output_size(source.camera, self._policy.long_side_px)
        rate = output_rate(source.camera, self._policy)
        title = segments[index].caption or f"{source.path} {source.sequence}"
        with Mp4Writer(path, width, height, rate, title, statement) as writer:
            writer.write(frames)
        render_ms = round((time.perf_counter() - started_s) * 1000)
        middle = len(frames) // 2
        poster = mark(frames[middle : middle + 1])[0]
        return _Clip(path.stat().st_size, writer.frames, render_ms, poster)

    def _is_whole(self, clip: ClipRow) -> bool:
        """Tell whether a clip's video is there: someone may have emptied the folder."""
        try:
            return self._objects.size(clip.video_key) == clip.size
        except MissingObjectError:
            return False


@dataclass(frozen=True, slots=True)
class _Clip:
    size: int
    frames: int
    render_ms: int  # to render, and to write as H.264
    poster: NDArray[np.uint8]  # (H, W, 3) RGB, marked


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
