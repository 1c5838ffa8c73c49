"""What a fleet is like: only who runs it can tell, so each number is an option of the command."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from mirage.bench.plan.figures import Figure, Source
from mirage.errors import InputError

UNITS: Mapping[str, str] = {
    "cameras_per_device": "cameras",
    "moving": "of the time something moves",
    "peak": "times the mean rate",
    "watched": "of all cameras are looked at live",
    "events": "of all camera time is rendered for events",
    "subscribers": "who get each segment's event",
    "retention_days": "days that packets are kept",
    "clip_days": "days that clips are kept",
    "disk_gb": "GB that one database may have",
    "busy": "of what a unit can do is used",
}


@dataclass(frozen=True, slots=True)
class Assumptions:
    """One number for each of `UNITS`. The defaults are a choice, measured nowhere."""

    cameras_per_device: float = 4
    moving: float = 0.25
    peak: float = 2
    watched: float = 0.001
    events: float = 0.01
    subscribers: float = 0
    retention_days: float = 30
    clip_days: float = 7
    disk_gb: float = 1000
    busy: float = 0.7

    def __post_init__(self) -> None:
        for name in ("moving", "watched", "events", "busy"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"--{name} {getattr(self, name):g}: is a share, between 0 and 1")
        if self.busy == 0:
            raise InputError("--busy 0: then no unit does anything")

    def figures(self) -> dict[str, Figure]:
        """Say each with what it means, and whether it is the default."""
        defaults, found = Assumptions(), dict[str, Figure]()
        for name in (each.name for each in fields(self)):
            value = float(getattr(self, name))
            chosen = "default" if value == getattr(defaults, name) else "option"
            found[name] = Figure(value, UNITS[name], Source.GIVEN, f"{chosen} --{name.replace('_', '-')}")
        return found
