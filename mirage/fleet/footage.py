"""What clips of simulated cameras take as video: measured once, counted by each device as it shows them.

clip --2 s of it, moving and at rest--> x264, x265 (edge/video.py) --Takes--> Footage.shown --> Sample

Devices do not encode: a thousand of them share a machine. What they say is what an agent's `[meter]` would
find, at the clip's own size and rate, if it sampled all the time.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from msgspec import Struct

from edge.counterfactual import WINDOW_S, Quality, Rates
from edge.video import Encoder, Picture, VideoError, check, i420
from mirage.fleet.films import Shot
from wire.spent import Codec, Sample

QUALITIES = {Codec.H264: Quality("veryfast", 23), Codec.H265: Quality("veryfast", 28)}
_WINDOW_MS = round(WINDOW_S * 1000)


class Takes(Struct, frozen=True):
    """Bytes of a window of a clip, by codec: as it moves, and where its first picture stays."""

    moving: tuple[int, ...]
    still: tuple[int, ...]


Clips = tuple[tuple[Takes, ...], ...]  # of each clip, by window


class Footage:
    """What one camera has shown so far; for one thread."""

    def __init__(self, clips: Clips) -> None:
        """Take `clips` as `measured` gives them; without any, there are no samples."""
        self._clips = clips
        self._rates = {codec: Rates() for codec in QUALITIES}

    def shown(self, shot: Shot) -> None:
        """Count the windows of a shot; one at least. Which of the clip's it is, cuts may shift by one."""
        if not self._clips:
            return
        windows = self._clips[shot.clip]
        takes = windows[min(shot.at, len(windows) - 1)]
        for codec, size in zip(QUALITIES, takes.still if shot.still else takes.moving, strict=True):
            for _ in range(max(shot.duration_ms // _WINDOW_MS, 1)):
                self._rates[codec].add(size, _WINDOW_MS * 1000)

    def samples(self) -> tuple[Sample, ...]:
        """Give samples as telemetry does, of the first camera."""
        return tuple(
            rates.sample(0, codec, QUALITIES[codec]) for codec, rates in self._rates.items() if rates.windows
        )


def measured(clips: Sequence[Path]) -> Clips:
    """Encode each clip, window by window; () where PyAV is not installed."""
    try:
        check()
    except VideoError:
        return ()
    return tuple(map(_of, clips))


@cache  # of clips that stay as they are: seconds of encoding for each
def _of(clip: Path) -> tuple[Takes, ...]:
    return tuple(_takes(pictures, fps) for pictures, fps in _windows(clip))


def _takes(pictures: Sequence[Picture], fps: float) -> Takes:
    still = [pictures[0]] * len(pictures)
    return Takes(*(tuple(_bytes(codec, shown, fps) for codec in QUALITIES) for shown in (pictures, still)))


def _bytes(codec: Codec, pictures: Sequence[Picture], fps: float) -> int:
    height, width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
    encoder = Encoder(codec, QUALITIES[codec], width, height, fps)
    try:
        for number, picture in enumerate(pictures):
            encoder.add(picture, round(number * 1e6 / fps))
        return encoder.finish()
    finally:
        encoder.close()


def _windows(clip: Path) -> Iterator[tuple[list[Picture], float]]:
    """Give the pictures of each whole window; those of a shorter end are left out."""
    video = cv2.VideoCapture(str(clip))
    fps = video.get(cv2.CAP_PROP_FPS)
    pictures = list[Picture]()
    while (found := video.read())[0]:
        pictures.append(i420(np.asarray(found[1], np.uint8)))
        if len(pictures) >= round(fps * WINDOW_S):
            yield pictures, fps
            pictures = []
    video.release()
