"""What the agent says about its run (`mirage edge run --json`), as far as the demo needs it."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from mirage.errors import DemoError


class CameraPart(msgspec.Struct, frozen=True):
    """One camera as far as it was read."""

    width: int
    height: int
    fps: float
    frames: int


class SegmentPart(msgspec.Struct, frozen=True):
    """One segment: how long each stage took."""

    sequence: int
    timings_ms: Mapping[str, float]


class AgentSummary(msgspec.Struct, frozen=True):
    """The agent's run."""

    encode_s: float
    sent_bytes: Mapping[str, int]  # by kind, as its ledger has them
    cameras: tuple[CameraPart, ...]
    segments: tuple[SegmentPart, ...]


def read_summary(path: Path) -> AgentSummary:
    """Read what the agent printed, or raise DemoError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=AgentSummary)
    except (OSError, msgspec.DecodeError) as error:
        raise DemoError(f"{path}: no summary of the agent: {error}") from error
