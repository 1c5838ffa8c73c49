"""Named styles for a renderer that reads no prompts: plain image filters on its frames, no model behind them.

    "oil painting"   Kuwahara filter: each pixel becomes the mean of the calmest of four squares beside it
    "watercolour"    the same, smaller, then paler, and darker along its edges
    "pencil"         grey divided by its own blurred inverse: strokes where it changes

A prompt that names one of them is drawn so; whatever else it says is not, and provenance says that it is not.
M. Kuwahara et al., Processing of RI-angiocardiographic images, 1976.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.renderer import Context, Renderer, never
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

Frame = NDArray[np.uint8]

VERSION = 1  # of the filters: a clip is another where they draw otherwise
_BACKEND = "preview"
_FILLER = re.compile(r"\b(?:an?|the|in|of|as|like|with|style|drawn|painted|drawing|picture)\b|[\s,.;:-]+")


@dataclass(frozen=True, slots=True)
class Style:
    """A filter, and the words that ask for it."""

    name: str
    words: re.Pattern[str]
    draw: Callable[[Frame], Frame]


@dataclass(frozen=True, slots=True)
class Read:
    """What of a prompt is drawn, and what words of it are not."""

    style: Style | None
    rest: str


def read(prompt: str) -> Read:
    """Find the style that a prompt names first."""
    found = [(at.start(), style, at) for style in STYLES if (at := style.words.search(prompt))]
    if not found:
        return Read(None, prompt.strip())
    _, style, at = min(found, key=lambda each: each[0])
    rest = f"{prompt[: at.start()]} {prompt[at.end() :]}"
    return Read(style, " ".join(rest.split()).strip(" ,.;") if _FILLER.sub("", rest.lower()) else "")


def filter_of(bundle: Bundle, policy: Policy) -> Style | None:
    """Give the filter that a policy asks for of a bundle's renderer; None where a model reads the prompt."""
    return read(policy.style_prompt).style if bundle.manifest.renderer.backend == _BACKEND else None


def told(bundle: Bundle, policy: Policy) -> dict[str, object]:
    """Say for provenance what of a prompt is drawn; nothing where none is asked for, or a model reads it."""
    if bundle.manifest.renderer.backend != _BACKEND or not (policy.style_prompt or policy.negative_prompt):
        return {}
    found = read(policy.style_prompt)
    drawn = None if found.style is None else f"{found.style.name}, by an image filter (version {VERSION})"
    rest = [found.rest] * bool(found.rest) + [f"not {policy.negative_prompt}"] * bool(policy.negative_prompt)
    return {"style": {"drawn": drawn, "not_drawn": "; ".join(rest) or None}}


class Painted:
    """A renderer whose frames are drawn in the style that is asked for, if there is a filter for it."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    @property
    def name(self) -> str:
        return self._renderer.name

    @property
    def carries(self) -> int:
        return self._renderer.carries

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        """Return frames (T, H, W, 3); raises as the renderer does."""
        frames = self._renderer.render(segment, context, camera, policy, seed, cancelled)
        style = read(policy.style_prompt).style
        return frames if style is None else paint(style, frames)


def paint(style: Style, frames: Frame) -> Frame:
    """Draw frames (T, H, W, 3) in a style."""
    if not len(frames):
        return frames
    if frames.strides[0] == 0:  # a scene at rest is one picture
        return np.broadcast_to(style.draw(frames[0]), frames.shape)
    return np.stack([style.draw(frame) for frame in frames])


def _oil(frame: Frame) -> Frame:
    return _livelier(_kuwahara(frame, _reach(frame, 80)), 1.25)


def _watercolour(frame: Frame) -> Frame:
    flat = _livelier(_kuwahara(frame, _reach(frame, 160)), 1.1).astype(np.float32)
    grey = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)
    edges = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    pale = 255 - (255 - flat) * 0.75
    return np.asarray(np.clip(pale - np.minimum(edges, 160)[..., None] * 0.35, 0, 255), np.uint8)


def _pencil(frame: Frame) -> Frame:
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    inverse = cv2.GaussianBlur(255 - grey, (0, 0), max(frame.shape[:2]) / 60)
    drawn = cv2.divide(grey, 255 - np.minimum(inverse, 250), scale=250)
    return cv2.cvtColor(drawn, cv2.COLOR_GRAY2RGB).astype(np.uint8)


def _reach(frame: Frame, share: int) -> int:
    """Give how far a stroke goes, in pixels, for a picture of this size."""
    return max(round(max(int(side) for side in frame.shape[:2]) / share), 1)


def _kuwahara(frame: Frame, reach: int) -> Frame:
    """Filter (H, W, 3) with squares of 2 `reach` + 1 pixels, whose centres are `reach` away diagonally."""
    height, width = frame.shape[:2]
    rim = 2 * reach
    wide = cv2.copyMakeBorder(frame, rim, rim, rim, rim, cv2.BORDER_REFLECT)
    size = (rim + 1, rim + 1)
    mean, grey = cv2.blur(wide, size), cv2.cvtColor(wide, cv2.COLOR_RGB2GRAY).astype(np.float32)
    scatter = cv2.sqrBoxFilter(grey, -1, size) - cv2.blur(grey, size) ** 2
    drawn, least = np.empty(frame.shape, np.uint8), np.full((height, width), np.inf, np.float32)
    for y, x in ((rim + dy, rim + dx) for dy in (-reach, reach) for dx in (-reach, reach)):
        here = scatter[y : y + height, x : x + width]
        calmer = (here < least).astype(np.uint8)
        cv2.copyTo(mean[y : y + height, x : x + width], calmer, drawn)
        least = np.minimum(least, here)
    return drawn


def _livelier(frame: Frame, factor: float) -> Frame:
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(frame, factor, grey, 1 - factor, 0), np.uint8)


STYLES = (
    Style("oil painting", re.compile(r"\boil[ -]paint(?:ing|ed)s?\b|\bimpasto\b", re.IGNORECASE), _oil),
    Style("watercolour", re.compile(r"\bwater[ -]?colou?rs?\b|\baquarelle\b", re.IGNORECASE), _watercolour),
    Style("pencil", re.compile(r"\bpencil\b|\bsketch(?:ed)?\b", re.IGNORECASE), _pencil),
)
