"""A camera whose frames are redacted before anything else sees them.

    camera --frame--> [gate] --> [detectors] --> [redactor] --> shrunk --> segmenter, motion, encoders

Where looking takes longer than frames come, a live camera gives fewer of them, instead of falling behind.

Fails closed: a frame whose redaction failed, or took too long, is withheld, and so are those that wait for
what it would have shown. Frames do not leave this module in any other way.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import structlog

from edge.capture import shrink
from edge.frame import Camera, Frame, SourceInfo
from edge.graph import ModelError
from edge.privacy.detectors import NONE, Boxes, Detectors
from edge.privacy.model_files import DetectorError
from edge.privacy.redactor import AHEAD, Redactor
from wire.policy.zones import Zone

SLOW_S = 1.0  # of looking at one frame: where it takes longer, the camera is not kept up with

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a camera at present; `is_open` is whether it may look at all."""

    zones: tuple[Zone, ...]
    detectors: Detectors
    is_open: bool


class Overseer(Protocol):
    """Says what holds, and hears what goes wrong."""

    def rules(self, camera: str) -> Rules:
        """Give what holds for a camera now."""

    def report(self, camera: str, trouble: str | None, at_ms: int) -> None:
        """Hear that frames of a camera are withheld, and why; None where they no longer are."""


class RedactedCamera:
    """Iterate once. `withheld` frames were not given, because they could not be redacted."""

    def __init__(
        self,
        name: str,
        camera: Camera,
        overseer: Overseer,
        short_side_px: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._camera = camera
        self._overseer = overseer
        self._short_side_px = short_side_px
        self._now_s = now_s
        self._redactor = Redactor()
        self._resumed = False
        self._is_failing = False
        self._due_us = 0
        self.withheld = 0

    @property
    def info(self) -> SourceInfo:
        return self._camera.info

    @property
    def end_us(self) -> int:
        return self._camera.end_us

    @property
    def frames_read(self) -> int:
        return self._camera.frames_read

    @property
    def attempts(self) -> int:
        return self._camera.attempts

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._camera:
            yield from map(self._finished, self._passed(frame))
        yield from map(self._finished, self._redactor.flush())

    def close(self) -> None:
        self._camera.close()

    def _passed(self, frame: Frame) -> Iterator[Frame]:
        rules = self._overseer.rules(self._name)
        if frame.resumed:
            yield from self._redactor.flush()
        if not rules.is_open:
            yield from self._redactor.flush()
            self._resumed = True
            return
        if self.info.live and rules.detectors and frame.captured_us < self._due_us and not frame.resumed:
            return
        boxes = self._found(frame, rules)
        if boxes is None:
            return
        frame = replace(frame, resumed=frame.resumed or self._resumed)
        self._resumed = False
        yield from self._redactor.push(frame, boxes, rules.zones, AHEAD if rules.detectors else 0)

    def _found(self, frame: Frame, rules: Rules) -> Boxes | None:
        """Give what detectors found; None, and throw away what waits, where they cannot be relied upon."""
        if not rules.detectors:
            return NONE
        begun_s = self._now_s()
        try:
            boxes = rules.detectors.find(frame.rgb)
        except (ModelError, DetectorError, cv2.error, ArithmeticError, LookupError, ValueError) as error:
            self._withhold(str(error), frame)
            return None
        took_s = self._now_s() - begun_s
        self._due_us = frame.captured_us + round(took_s * 1e6)
        if took_s > SLOW_S:
            self._withhold(f"looking at a frame took {took_s:.1f} s, more than {SLOW_S:g}", frame)
            return None
        if self._is_failing:
            self._is_failing = False
            self._overseer.report(self._name, None, frame.captured_us // 1000)
        return boxes

    def _withhold(self, reason: str, frame: Frame) -> None:
        self.withheld += 1 + self._redactor.forget()
        self._resumed = True
        if not self._is_failing:
            self._is_failing = True
            log.error("nothing of a camera is sent: it cannot be redacted", camera=self._name, reason=reason)
            self._overseer.report(self._name, reason, frame.captured_us // 1000)

    def _finished(self, frame: Frame) -> Frame:
        bgr = np.ascontiguousarray(frame.rgb[..., ::-1])
        return replace(frame, rgb=shrink(bgr, self._short_side_px))
