"""What a sender may choose, from which it follows how much an attacker gets.

The grid of a code is its bundle's (8x8 in `tiny`), and no setting. A scene that rests is sent finer from
minute to minute, up to all planes that are allowed: a preset counts as the most that it ever sends.
"""

from dataclasses import dataclass
from typing import Literal

from wire.bundle import AppearanceInfo
from wire.policy import Sender
from wire.policy.presets import PRESETS

Part = Literal["detail", "presets"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A sender's choice: `planes` of the code at most, and `redacts` faces and writing or not.

    `sent_planes` are those of a scene that moves; a bundle's default, unless the setting is about planes.
    """

    name: str
    sender: Sender
    planes: int
    redacts: bool = False
    usual: int | None = None

    @property
    def sent_planes(self) -> int:
        return self.planes if self.usual is None else min(self.usual, self.planes)


def settings(info: AppearanceInfo) -> tuple[Setting, ...]:
    """Give the settings that are attacked, of a bundle with this code."""
    whole, coarse = info.planes, info.coarse_planes
    private = PRESETS["private"].sender
    return (
        Setting(f"{whole} planes", Sender(), whole),
        Setting(f"{info.default_planes} planes", Sender(), info.default_planes),
        Setting(f"{coarse} planes", Sender(), coarse),
        *(
            Setting(f"{whole} planes of {px} px", Sender(picture_px=px), whole)
            for px in (48, 32)
        ),
        *(
            Setting(f"{whole} planes, noise {noise}", Sender(noise=float(noise)), whole)
            for noise in (32,)
        ),
        Setting("private, faces kept", private, coarse),
        *(_preset(name, info) for name in ("private", "balanced", "faithful")),
    )  # fmt: skip


def captions_only() -> Setting:
    """Give the setting at which no code is sent."""
    return Setting("captions only", Sender(), 0)


def _preset(name: Literal["private", "balanced", "faithful"], info: AppearanceInfo) -> Setting:
    sender = PRESETS[name].sender
    planes = info.planes if sender.planes is None else min(sender.planes, info.planes)
    return Setting(name, sender, planes, sender.faces == "redact", info.default_planes)
