"""What is in force for a clip: what its sender demands goes before what this cloud asks for. Pure.

demands of all packets that it is made of ------.
[receiver] of the settings, stored anchors -----'--> wire.policy.effective --> renderer, provenance
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from cloud.config_receiver import FIGURE
from cloud.render.anchors import Anchors, Scenery
from wire.policy import Demands, Effective, Network, Policy, Receiver, Sender, effective

NAMES = (
    "long_side_px", "steps", "fps", "frames", "guidance", "seed", "planes", "style_prompt",
    "negative_prompt", "anchors", "people_anchors", "people_drawn", "stand_in", "publish", "keep_days",
    "viewers",
)  # fmt: skip
NO_ANCHORS = Anchors()
SEED = 0  # where nobody asks for another: who renders again sees the same
_PLAIN = Receiver()
_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Thing:
    """Pictures that are taken where a caption has the `word`."""

    word: str
    pictures: Anchors

    def is_in(self, caption: str | None) -> bool:
        """Tell whether a caption speaks of it, in the singular or the plural."""
        return bool(
            {self.word, f"{self.word}s", f"{self.word}es"} & set(_WORD.findall((caption or "").lower()))
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What this cloud asks for; the pictures, of places, of things and of people, are those of `receiver`.

    `figure` is the picture of a stand-in, if there is one.
    """

    receiver: Receiver = _PLAIN
    places: Anchors = NO_ANCHORS
    people: Anchors = NO_ANCHORS
    things: tuple[Thing, ...] = ()
    figure: Anchors = NO_ANCHORS

    @classmethod
    def of(cls, policy: Policy, places: Anchors = NO_ANCHORS, people: Anchors = NO_ANCHORS) -> "Terms":
        """Ask for what a policy says; the pictures of its anchors are those of `places`."""
        receiver = Receiver(
            policy.long_side_px, policy.steps, policy.fps, policy.frames, policy.guidance,
            style_prompt=policy.style_prompt, negative_prompt=policy.negative_prompt,
            anchors=policy.anchors, people_anchors=people.sha256s, planes=policy.planes,
            people="as-sent" if policy.stand_in is None else "stand-in", stand_in=policy.stand_in,
        )  # fmt: skip
        return cls(receiver, Anchors(policy.anchors, places.pictures), people)

    def terms(self, _camera: str, _look: str) -> "Terms":
        """Ask for the same whatever the camera and whoever looks."""
        return self

    def known(self, _camera: str) -> Collection[str]:
        return ("",)

    def under(self, demands: Demands, caption: str | None = None) -> Effective:
        """Decide field by field; a caption says which things are seen."""
        things = tuple(
            sha256 for thing in self.things if thing.is_in(caption) for sha256 in thing.pictures.sha256s
        )
        asked = replace(self.receiver, anchors=(*self.receiver.anchors, *things))
        return effective(Sender(receiver=demands), Network(), equipped(asked, demands))

    def allowed(self, found: Effective) -> Anchors:
        """Give the pictures that a renderer may take."""
        known = dict(self._pictures())
        names = tuple(dict.fromkeys((*_names(found["anchors"]), *_names(found["people_anchors"]))))
        return Anchors(names, tuple(known[name] for name in names if name in known))

    def scenery(self, found: Effective) -> Scenery:
        """Give those pictures, and say which of them show the place."""
        allowed = self.allowed(found)
        grounds = sum(sha256 in self.places.sha256s for sha256 in allowed.sha256s)
        figure = self.figure.pictures[0] if self.figure.pictures else None
        return Scenery(allowed.pictures, grounds, figure)

    def rendering(self, found: Effective) -> Policy:
        """Give what a renderer is asked for. Raises PolicyError where a demand cannot be met."""
        return found.rendering(self.allowed(found).sha256s)

    def _pictures(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for each in (self.places, *(thing.pictures for thing in self.things), self.people):
            yield from zip(each.sha256s, each.pictures, strict=False)


class Conditions(Protocol):
    """Knows what is asked for by camera and look (`cloud.looks`)."""

    def terms(self, camera: str, look: str, /) -> Terms:
        """Give it. Raises PolicyError for a look that nobody has any more, AnchorError."""

    def known(self, camera: str, /) -> Collection[str]:
        """Name all looks of a camera."""


def equipped(receiver: Receiver, demands: Demands) -> Receiver:
    """Give a receiver that draws a figure where stand-ins are asked for, and no picture of one is named."""
    drawn = demands.stand_in or receiver.people == "stand-in"
    return replace(receiver, stand_in=FIGURE) if drawn and receiver.stand_in is None else receiver


def seed_of(found: Effective) -> int:
    """Give the seed of clips."""
    seed = found["seed"]
    return seed if isinstance(seed, int) else SEED


def stated(found: Effective) -> Mapping[str, object]:
    """Say field by field what is in force, who decided that and why, as provenance has it."""
    return {
        each.name: {"value": each.value, "by": each.by, "outcome": each.outcome, "why": each.why}
        for each in found
        if each.name in NAMES
    }


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else ()
