"""What a receiver asks of a reconstruction."""

from dataclasses import dataclass


class PolicyError(ValueError):
    """A constraint is out of its range; the message names it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How to render: the longer side in pixels, diffusion steps, pictures a second (None = the source's)."""

    long_side_px: int = 256
    steps: int = 4
    fps: float | None = None

    def __post_init__(self) -> None:
        if not 16 <= self.long_side_px <= 8192:
            raise PolicyError(f"long_side_px {self.long_side_px} is not between 16 and 8192")
        if not 1 <= self.steps <= 1000:
            raise PolicyError(f"steps {self.steps} is not between 1 and 1000")
        if self.fps is not None and not 0 < self.fps <= 240:
            raise PolicyError(f"fps {self.fps} is not above 0 and at most 240")
