"""How to encode, how much of it, and how long that took."""

from dataclasses import dataclass, field
from pathlib import Path

from edge.composer import REFRESH_MS, STILL_BYTES
from edge.segmenter import TARGET_MS
from wire.policy import Network, Sender


@dataclass(frozen=True, slots=True)
class Settings:
    """How to encode. `planes` of the tokens are sent: None for the bundle's default, 0 for none.

    Before a camera that rests, a keyframe that builds on no other is sent twice as deep.

    `vector`: whether to send the embedding, where the bundle has one. `beams`: sentences that the captioner
    follows at once; 1 is greedy.

    `sender` and `network` say what may be sent at all: layers, planes, words, how fine a keyframe is.

    Still segments send as many as their packets have room for in `still_bytes` between two refreshes.
    """

    planes: int | None = None
    vector: bool = True
    segment_ms: int = TARGET_MS
    refresh_ms: int = REFRESH_MS
    still_bytes: int = STILL_BYTES
    threads: int = 1
    beams: int = 1
    engine_cache: Path | None = None
    sender: Sender = field(default_factory=Sender)
    network: Network = field(default_factory=Network)


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a segment is sent; may change while the pipeline runs. See `Settings`."""

    planes: int
    vector: bool
    still_bytes: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds that each stage took."""

    motion_ms: float
    caption_ms: float
    appearance_ms: float
    compose_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        return sum(self.by_stage().values())

    def by_stage(self) -> dict[str, float]:
        """Name the stages as users see them."""
        return {
            "motion": self.motion_ms,
            "caption": self.caption_ms,
            "appearance": self.appearance_ms,
            "compose": self.compose_ms,
        }
