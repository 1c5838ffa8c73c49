"""What a video diffusion model is asked for, and what one is to the renderer.

Request --Film.diffuse--> frames float32 (N, height, width, 3) in 0..1
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cloud.render.diffusion.models import Loaded
from cloud.render.diffusion.plan import Pictures, Slot, Span
from cloud.render.renderer import RenderCancelledError

Float = NDArray[np.float32]
Frames = NDArray[np.uint8]  # (N, height, width, 3)
Picture = NDArray[np.uint8]  # (height, width, 3)


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture at its frame."""

    picture: Picture
    index: int
    strength: float


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One clip; all pictures have its size. `carried`: the first `span.lead` frames, or the one before them.

    `vector` is the embedding of the scene (D,), `anchors` are pictures of how it should look, `figure` that
    of the stand-in for each person, for models that embed pictures.
    """

    prompt: str
    negative_prompt: str
    steps: int
    guidance: float
    seed: int
    span: Span
    width: int
    height: int
    placed: tuple[Placed, ...]
    carried: Frames | None
    vector: Float | None
    anchors: tuple[Picture, ...]
    cancelled: Callable[[], bool]
    figure: Picture | None = None

    def generator(self) -> torch.Generator:
        """Draw on the CPU: the same seed gives the same noise, whatever the device."""
        return torch.Generator("cpu").manual_seed(self.seed)

    def on_step_end(self, *_state: object) -> dict[str, torch.Tensor]:
        """Stop where nobody waits any more. A GPU is waited for: else it would be steps behind."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        if self.cancelled():
            raise RenderCancelledError
        return {}


class Film(Protocol):
    """A pipeline that was loaded; frames come in numbers of stride * n + 1, sides are multiples.

    `carries`: how many frames of the clip before it goes on from; `lead`: how many of them are its own first
    ones at most. `sees`: it takes keyframes, and if it `reaches`, the next one at its own time, beyond the
    segment.
    """

    loaded: Loaded
    stride: int
    multiple: int
    carries: int
    lead: int
    sees: bool
    reaches: bool

    def slots(self, span: Span, pictures: Pictures, /) -> tuple[Slot, ...]:
        """Say which pictures it takes, and where."""

    def diffuse(self, request: Request) -> Float:
        """Make the frames (span.count, height, width, 3), in 0..1."""
