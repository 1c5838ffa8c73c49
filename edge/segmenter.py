"""Cuts the stream of sampled frames into segments.

    frames  |  .  .  .  .  |  .  .  .  .  |  ............................  | .  .
    scene   |   moving     |   moving     |   nothing moves                 | cut
    segment |   2 s        |   2 s        |   still, up to 60 s             | 2 s

Pure: the frames carry their times. Segments follow one another without a gap, except where a
live camera was away. Their durations add up to that of the source.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.change import Look, is_cut, is_moved, step
from edge.frame import Frame

TARGET_MS = 2000
STILL_LIMIT_MS = 60_000
TAIL_MS = 500  # a shorter rest joins the segment before it
SCRAP_MS = 250  # a scene shorter than this is a flash: it joins the scene after it
_PERIOD_MS = 125  # between samples, until two have been seen
SAMPLES = 40  # of a segment: 5 s at 8 a second
_BLURRED = 1.5  # a later keyframe must be this much sharper than the first sample
_MEMORY = 8  # steps whose mean is "usual"


@dataclass(frozen=True, slots=True, eq=False)
class RawSegment:
    """A few seconds of one camera, sampled."""

    start_ms: int
    duration_ms: int
    frames: NDArray[np.uint8]  # (N, h, w, 3); of a long still segment only its beginning
    times_ms: NDArray[np.int64]  # (N,), on the same clock as start_ms
    keyframe: int  # index into frames
    still: bool
    cut: bool  # begins at a scene cut, or after the camera was away

    @property
    def keyframe_ms(self) -> int:
        """Time of the keyframe after the start of the segment."""
        return int(self.times_ms[self.keyframe]) - self.start_ms


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    time_ms: int
    rgb: NDArray[np.uint8]
    look: Look


class Segmenter:
    """Push frames in order of time, then flush once.

    A moving segment is held for TAIL_MS beyond its end, because a rest that turns out shorter is
    to join it. Memory: at most SAMPLES; of a long segment every second, fourth ... one stays.
    """

    def __init__(self, target_ms: int = TARGET_MS, still_limit_ms: int = STILL_LIMIT_MS) -> None:
        self.target_ms = target_ms  # may be set anew
        self._still_limit_ms = still_limit_ms
        self._period_ms = _PERIOD_MS
        self._last: _Sample | None = None
        self._begin([], start_ms=0, cut=False)

    def push(self, frame: Frame) -> list[RawSegment]:
        """Take the next frame; return the segments that it completes."""
        sample = _Sample(round(frame.captured_us / 1000), frame.rgb, Look.of(frame.rgb))
        last = self._last
        if last is None:
            self._begin([sample], sample.time_ms, cut=False)
            done = []
        elif frame.resumed or sample.rgb.shape != last.rgb.shape:
            done = self._close(last.time_ms + self._period_ms)
            self._begin([sample], sample.time_ms, cut=True)
        elif is_cut(last.look, sample.look, self._usual_step()):
            done = self._change_scene(sample)
        else:
            done = self._fill_pause(last, sample.time_ms)
            done += self._extend(sample)
        self._note_step(sample, comparable=last is not None and not frame.resumed)
        return done

    def flush(self, end_ms: int | None = None) -> list[RawSegment]:
        """Return what is still held. `end_ms` is where the last frame ends (default: one sample on)."""
        if self._last is None:
            return []
        done = self._close(end_ms if end_ms is not None else self._last.time_ms + self._period_ms)
        self._last = None
        self._begin([], start_ms=0, cut=False)
        return done

    def _begin(self, samples: list[_Sample], start_ms: int, *, cut: bool) -> None:
        self._samples = samples
        self._start_ms = start_ms
        self._cut = cut
        self._stride_ms = 0
        self._resting = False  # a still segment beyond the target: its samples are no longer kept
        if cut or not samples:
            self._steps: list[float] = []

    def _extend(self, sample: _Sample) -> list[RawSegment]:
        elapsed_ms = sample.time_ms - self._start_ms
        if self._resting:
            if elapsed_ms < self._still_limit_ms and not is_moved(self._samples[0].look, sample.look):
                return []
            done = self._close(sample.time_ms)
            self._begin([sample], sample.time_ms, cut=False)
            return done
        if elapsed_ms >= self.target_ms and self._is_still([*self._samples, sample]):
            self._resting = True
            return []
        self._keep(sample)
        return self._split() if elapsed_ms >= self.target_ms + TAIL_MS else []

    def _keep(self, sample: _Sample) -> None:
        """Add a sample, unless it comes sooner after the last one than the others of a long segment."""
        soon = sample.time_ms - self._samples[-1].time_ms < self._stride_ms
        if soon and sample.time_ms < self._start_ms + self.target_ms:
            return
        if len(self._samples) >= SAMPLES:
            self._samples = self._samples[::2]
            span_ms = self._samples[-1].time_ms - self._samples[0].time_ms
            self._stride_ms = span_ms // (len(self._samples) - 1)
        self._samples.append(sample)

    def _split(self) -> list[RawSegment]:
        """Emit what lies before the target and go on with the rest."""
        boundary_ms = self._start_ms + self.target_ms
        later = [sample for sample in self._samples if sample.time_ms >= boundary_ms]
        self._samples = [sample for sample in self._samples if sample.time_ms < boundary_ms]
        done = self._close(later[0].time_ms)
        self._begin(later, later[0].time_ms, cut=False)
        return done

    def _change_scene(self, sample: _Sample) -> list[RawSegment]:
        if sample.time_ms - self._start_ms < SCRAP_MS:
            self._begin([sample], self._start_ms, cut=self._cut)
            return []
        done = self._close(sample.time_ms)
        self._begin([sample], sample.time_ms, cut=True)
        return done

    def _fill_pause(self, last: _Sample, until_ms: int) -> list[RawSegment]:
        """Sample a frame that is shown for long again, as if the camera had repeated it."""
        done = []
        if until_ms - last.time_ms > self.target_ms:
            stride_ms = max(self.target_ms // 2, 1)
            for time_ms in range(last.time_ms + stride_ms, until_ms, stride_ms):
                done += self._extend(_Sample(time_ms, last.rgb, last.look))
        return done

    def _close(self, end_ms: int) -> list[RawSegment]:
        samples = self._samples
        looks = [sample.look.sharpness for sample in samples]
        segment = RawSegment(
            start_ms=self._start_ms,
            duration_ms=max(end_ms - self._start_ms, 1),
            frames=np.stack([sample.rgb for sample in samples]),
            times_ms=np.array([sample.time_ms for sample in samples], np.int64),
            keyframe=_keyframe(looks),
            still=self._resting or self._is_still(samples),
            cut=self._cut,
        )
        return [segment]

    def _is_still(self, samples: list[_Sample]) -> bool:
        return not any(is_moved(samples[0].look, sample.look) for sample in samples[1:])

    def _usual_step(self) -> float:
        return sum(self._steps) / len(self._steps) if self._steps else 0.0

    def _note_step(self, sample: _Sample, *, comparable: bool) -> None:
        if comparable and self._last is not None and self._samples[0] is not sample:
            self._steps = [*self._steps[1 - _MEMORY :], step(self._last.look, sample.look)]
            self._period_ms = max(sample.time_ms - self._last.time_ms, 1)
        self._last = sample


def _keyframe(sharpness: list[float]) -> int:
    """Index of the sharpest sample of the first third, or 0 unless that one is clearly blurred."""
    candidates = sharpness[: max(-(-len(sharpness) // 3), 1)]
    best = max(range(len(candidates)), key=candidates.__getitem__)
    return best if candidates[best] > _BLURRED * candidates[0] else 0
