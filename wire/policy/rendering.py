"""What a renderer is asked for: the receiver's constraints on one reconstruction."""

from dataclasses import dataclass

from wire.policy.errors import PolicyError

MAX_PROMPT = 1000  # characters


@dataclass(frozen=True, slots=True)
class Policy:
    """How to render; None leaves it to the bundle.

    The longer side in pixels, diffusion steps, pictures a second (None: the source's), how many frames are
    diffused for a segment at most (the others repeat them), guidance by the text, words added to each
    caption, words that the picture shall not be like, and the SHA-256 of pictures of how it should look.
    Of the appearance code so many planes are looked at, at most. `stand_in` names the figure that is drawn
    for each person: then nothing is looked at of what the scene looked like (`cloud.render.stand_in`).
    """

    long_side_px: int = 256
    steps: int | None = None
    fps: float | None = None
    frames: int | None = None
    guidance: float | None = None
    style_prompt: str = ""
    negative_prompt: str = ""
    anchors: tuple[str, ...] = ()
    planes: int | None = None
    stand_in: str | None = None

    def __post_init__(self) -> None:
        if not 16 <= self.long_side_px <= 8192:
            raise PolicyError(f"long_side_px {self.long_side_px} is not between 16 and 8192")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise PolicyError(f"steps {self.steps} is not between 1 and 1000")
        if self.fps is not None and not 0 < self.fps <= 240:
            raise PolicyError(f"fps {self.fps} is not above 0 and at most 240")
        if self.frames is not None and not 1 <= self.frames <= 1000:
            raise PolicyError(f"frames {self.frames} is not between 1 and 1000")
        if self.planes is not None and not 0 <= self.planes <= 255:
            raise PolicyError(f"planes {self.planes} is not between 0 and 255")
        if self.guidance is not None and not 0 <= self.guidance <= 100:
            raise PolicyError(f"guidance {self.guidance} is not between 0 and 100")
        for name, text in (("style_prompt", self.style_prompt), ("negative_prompt", self.negative_prompt)):
            if len(text) > MAX_PROMPT:
                raise PolicyError(f"{name} has {len(text)} characters, limit is {MAX_PROMPT}")
