"""Small pictures of segments for lists: of the clip's poster, or of the keyframe where there is no clip.

poster --shrink--------.
tokens --decoder-------+--> plate, mark --> JPEG, 160 pixels long       no renderer, so it costs little
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.access.roles import Role
from cloud.bound import Bound
from cloud.bundles import Bundles
from cloud.catalog import Catalog, UnknownSegmentError
from cloud.excerpt import Excerpt, excerpt
from cloud.objects import MissingObjectError, Objects
from cloud.render.anchors import AnchorError
from cloud.render.jpeg import to_jpeg
from cloud.render.keyframes import KeyframeDecoder
from cloud.render.mark import mark
from cloud.render.renderer import RenderError, output_size
from cloud.scene import resolve_around
from cloud.schema import ClipRow, SegmentRow
from cloud.store import Store
from cloud.terms import Conditions, Terms
from wire.bundle import Bundle, BundleError
from wire.documents import DocumentError
from wire.packet import PacketError
from wire.policy import PolicyError, Receiver

LONG_SIDE_PX = 160
_QUALITY = 75
_KEPT = 2_000  # some 8 MB
_REASONS = (AnchorError, PacketError, DocumentError, BundleError, RenderError, PolicyError)
_TERMS = Terms(Receiver(long_side_px=LONG_SIDE_PX))

Picture = NDArray[np.uint8]
Decode = Callable[[NDArray[np.uint8] | None], Picture]


class NoThumbError(LookupError):
    """There is nothing to see of a segment; the message says why."""


@dataclass(frozen=True, slots=True)
class Thumb:
    """A JPEG. `tag` changes with its content."""

    jpeg: bytes
    tag: str


def load_decoder(bundle: Bundle) -> Decode:
    """Load the token decoder of a bundle, on one thread. Raises BundleError."""
    return KeyframeDecoder(bundle, threads=1).decode


class Thumbs:
    """Makes and keeps thumbnails; safe to share between threads."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        bundles: Bundles,
        load: Callable[[Bundle], Decode] = load_decoder,
        catalog: Catalog | None = None,
        conditions: Conditions = _TERMS,
    ) -> None:
        self._store = store
        self._objects = objects
        self._bundles = bundles
        self._load = load
        self._catalog = catalog or Catalog(store)
        self._conditions = conditions
        self._decoders: dict[str, Decode] = {}
        self._kept: OrderedDict[str, Thumb] = OrderedDict()
        self._lock = threading.Lock()

    def thumb(self, segment_id: int, role: Role = Role.ADMIN) -> Thumb:
        """Give a segment's thumbnail as a role sees it.

        Raises UnknownSegmentError, NoThumbError, StoreError, ObjectsError.
        """
        look = self._catalog.look(segment_id, role)
        with self._store.read() as session:
            segment = session.get(SegmentRow, segment_id)
            if segment is None:
                raise UnknownSegmentError(f"no segment {segment_id}")
            clip = session.get(ClipRow, (segment_id, look))
        bound = Bound.read(segment.binds)
        if bound.closed is not None:
            raise NoThumbError(f"segment {segment_id}: {bound.closed}")
        binds = (bound.stored or b"").hex()
        tag = f'"k{segment_id}-{binds}-{look}"' if clip is None else f'"{clip.fingerprint[:32]}"'
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
                return self._kept[tag]
        picture = None if clip is None else self._poster(clip)
        if picture is None:
            picture = self._keyframe(segment_id, look)
        return self._keep(Thumb(_jpeg(picture), tag))

    def _poster(self, clip: ClipRow) -> Picture | None:
        """Read a clip's poster, small; None if it is gone or damaged."""
        try:
            data = self._objects.read(clip.poster_key, 0, self._objects.size(clip.poster_key))
        except MissingObjectError:
            return None
        poster = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if poster is None:
            return None
        height, width = poster.shape[:2]
        scale = LONG_SIDE_PX / max(height, width)
        size = (max(round(width * scale), 2), max(round(height * scale), 2))
        return np.asarray(cv2.resize(poster, size, interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8)

    def _keyframe(self, segment_id: int, look: str) -> Picture:
        """Draw a segment's keyframe from its tokens. Raises NoThumbError."""
        try:
            with self._store.read() as session:
                source = excerpt(session, segment_id)
            terms = self._conditions.terms(source.path, look)
            allowed = terms.rendering(terms.under(source.demands))
            if allowed.stand_in is not None:
                raise RenderError("a stand-in for each person is drawn in clips only")
            tokens = self._tokens(source)[: allowed.planes]
            picture = self._decoder(source.birth.bundle_sha256)(tokens)
            size = output_size(source.camera, min(allowed.long_side_px, LONG_SIDE_PX))
        except _REASONS as error:
            raise NoThumbError(f"segment {segment_id}: {error}") from error
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _tokens(self, source: Excerpt) -> NDArray[np.uint8]:
        """Give what a segment begins with: where it shows nothing of its own, what the one before did."""
        codec = self._bundles.codec(source.birth.bundle_sha256)
        segments, index = resolve_around(source.links, source.sequence, codec)
        for segment in reversed(segments[: index + 1]):
            if segment.tokens is not None:
                return segment.tokens
        raise RenderError(f"packet {source.sequence} has no keyframe")

    def _decoder(self, bundle_sha256: str) -> Decode:
        bundle = self._bundles.bundle(bundle_sha256)
        with self._lock:
            if bundle_sha256 not in self._decoders:
                self._decoders[bundle_sha256] = self._load(bundle)
            return self._decoders[bundle_sha256]

    def _keep(self, thumb: Thumb) -> Thumb:
        with self._lock:
            self._kept[thumb.tag] = thumb
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return thumb


def _jpeg(picture: Picture) -> bytes:
    """Mark a picture and write it. A poster's own mark, too small to be read now, goes behind the new one."""
    plate = (mark(np.full((1, *picture.shape), 255, np.uint8))[0] < 255).any(2)
    rows, columns = np.flatnonzero(plate.any(1)), np.flatnonzero(plate.any(0))
    picture = picture.copy()
    picture[: rows[-1] + 1, : columns[-1] + 1] = 0
    try:
        return to_jpeg(mark(picture[None])[0], _QUALITY)
    except RenderError as error:
        raise NoThumbError(str(error)) from error
