"""`mirage policy preview`: a picture of what is left of a video's frame once the sender has redacted it.

By the code that the agent runs. Beside it, if asked for, the frame itself with the hidden parts in red.
"""

import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera import is_live, open_camera
from edge.frame import Frame
from edge.privacy.detectors import LOOK_PX
from edge.privacy.guard import Guard
from edge.privacy.masks import FILL
from edge.privacy.model_files import DetectorError
from edge.runtime import Runtime
from mirage.bundles import bundle_folder
from mirage.demo.source import named
from mirage.errors import InputError
from mirage.output import check_target, print_line, write_whole
from wire.bundle import Bundle
from wire.policy import Sender

_CAMERA = "source"
_RED = np.array((255, 0, 0), np.float32)


def main(video: str, sender: Sender, output: Path, at_s: float, bundle: Path | None, *, beside: bool) -> None:
    """Write the picture, and say how much of it is hidden. Raises CameraError, DetectorError, InputError."""
    video = named(video)
    check_target(output, Path(video))
    guard = Guard(sender, Bundle.load(bundle_folder(bundle), "edge"), runtime=Runtime(2))
    if not guard.rules(_CAMERA).is_open:
        raise InputError("nothing is looked at now: sender.off is true, or sender.hours are over")
    redacted = _redacted(guard, video, at_s)
    picture = np.concatenate((_tinted(video, redacted), redacted.rgb), axis=1) if beside else redacted.rgb
    done, data = cv2.imencode(output.suffix or ".jpg", picture[..., ::-1])
    if not done:
        raise InputError(f"{output}: name a .jpg or .png file")
    write_whole(output, data.tobytes())
    share = float((redacted.rgb == FILL).all(axis=2).mean())
    print_line(f"{output}: the frame at {redacted.captured_us / 1e6:.2f} s, {share:.0%} of it hidden")


def _tinted(video: str, redacted: Frame) -> NDArray[np.uint8]:
    """Give the frame as it is, hidden parts in red."""
    plain = _plain(video, redacted)
    hidden = (redacted.rgb == FILL).all(axis=2) & (plain != FILL).any(axis=2)
    return np.where(hidden[..., None], plain * 0.4 + _RED * 0.6, plain).astype(np.uint8)


def _redacted(guard: Guard, video: str, at_s: float) -> Frame:
    stop = threading.Event()
    opened = guard.open(_CAMERA, video, short_side_px=LOOK_PX, stop=stop)
    first_us, last = None, None
    try:
        for frame in opened:
            first_us = frame.captured_us if first_us is None else first_us
            last = frame
            if frame.captured_us - first_us >= at_s * 1e6:
                break
    finally:
        stop.set()
        opened.close()
    if guard.trouble or last is None:
        reason = next(iter(guard.trouble.values()), "no frame can be decoded")
        raise DetectorError(f"{video}: {reason}")
    return last


def _plain(video: str, redacted: Frame) -> NDArray[np.uint8]:
    """Give the frame of a file as it is."""
    if is_live(video):
        raise InputError(f"{video}: --beside is for files, whose frames can be read again")
    camera = open_camera(video, short_side_px=LOOK_PX)
    try:
        for frame in camera:
            if frame.captured_us == redacted.captured_us:
                return frame.rgb
    finally:
        camera.close()
    raise InputError(f"{video}: changed while it was read")
