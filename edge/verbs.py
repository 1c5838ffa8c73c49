"""What the cloud may ask of a device.

    ping        ()                                                  uptime_s, software, boot_id, link,
                                                                    release, bundle, update, update_bytes
    keyframe    camera (all)                                        the next segment of it builds on no other
    set-policy  planes (bundle's default), vector, still_bytes,     what is sent from the next segment on, and
                bytes_per_s, burst_bytes, bytes_per_month           how much (null: no limit)
                off, on_motion, faces, text, people, plates,        of what: [sender] in docs/constraints.md
                words, layers, picture_px, noise
    set-release release                                             is fetched, tried, and kept or undone: see
    set-bundle  bundle                                              edge/update

`set-policy` takes what [encode] and [network] of the settings take, and answers what comes of it. What is
left out stays as it is; bytes are those of the link that is active, which answers name where there are
several. A restart goes back to the settings. What [sender] forbids can be tightened, and loosened again, but
never beyond the device's own file, unless that says `remote = true`.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from edge.allowance import BudgetError, Limits, checked
from edge.budget import Budget
from edge.commands import Arguments, CommandError, Handler
from edge.composer import Composer
from edge.config import Planes, StillBytes
from edge.identity import software
from edge.links import Links
from edge.pipeline import Detail, Pipeline
from edge.privacy.guard import Guard
from edge.privacy.model_files import DetectorError
from edge.privacy.remote import AskedOfSender, told
from edge.update.desk import Desk
from wire.bundle import BundleError
from wire.documents import Value
from wire.policy import PolicyError, Sender


class _Keyframe(Struct, forbid_unknown_fields=True):
    camera: str | None = None


class _Policy(AskedOfSender, forbid_unknown_fields=True):
    planes: Planes | UnsetType | None = UNSET
    vector: bool | UnsetType = UNSET
    still_bytes: StillBytes | UnsetType = UNSET
    bytes_per_s: Annotated[float, Meta(gt=0)] | UnsetType | None = UNSET
    burst_bytes: Annotated[int, Meta(ge=1024)] | UnsetType = UNSET
    bytes_per_month: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET

    def limits(self, now: Limits) -> Limits:
        """Give the limits that are asked for, where `now` is what holds."""
        return Limits(
            now.bytes_per_s if self.bytes_per_s is UNSET else self.bytes_per_s,
            now.burst_bytes if self.burst_bytes is UNSET else self.burst_bytes,
            now.bytes_per_month if self.bytes_per_month is UNSET else self.bytes_per_month,
        )


class Verbs:
    """Carries out commands, in the thread that calls. `composers` are the cameras', by name."""

    def __init__(
        self,
        boot_id: bytes,
        pipeline: Pipeline,
        composers: Mapping[str, Composer],
        budget: Budget,
        guard: Guard | None = None,
        links: Links | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._desk = desk or Desk()
        self._links = links or Links()
        self._guard = guard
        self._budget = budget
        self._boot_id = boot_id
        self._begun_s = time.monotonic()
        self._pipeline = pipeline
        self._composers = composers

    def handlers(self) -> dict[str, Handler]:
        """Give all of them by their verbs."""
        return {
            "ping": self._ping,
            "keyframe": self._keyframe,
            "set-policy": self._set_policy,
            "set-release": self._desk.set_release,
            "set-bundle": self._desk.set_bundle,
        }

    def in_force(self) -> dict[str, Value]:
        """Say what is sent at present, as `set-policy` answers."""
        pipeline = self._pipeline
        link = self._link()
        return {**asdict(pipeline.detail), **asdict(self._budget.limits), **told(pipeline.allowed), **link}

    def _link(self) -> dict[str, Value]:
        return {"link": self._links.active} if self._links.any else {}

    def _ping(self, arguments: Arguments) -> dict[str, Value]:
        if arguments:
            raise CommandError(f"ping takes no arguments, got {', '.join(sorted(arguments))}")
        uptime_s = round(time.monotonic() - self._begun_s)
        own = self._link() | self._desk.told()
        return {"uptime_s": uptime_s, "software": software(), "boot_id": self._boot_id.hex(), **own}

    def _keyframe(self, arguments: Arguments) -> dict[str, Value]:
        try:
            asked = msgspec.convert(dict(arguments), _Keyframe)
        except msgspec.ValidationError as error:
            raise CommandError(str(error)) from error
        if asked.camera is not None and asked.camera not in self._composers:
            raise CommandError(f"there is no camera {asked.camera!r}")
        names = sorted(self._composers) if asked.camera is None else [asked.camera]
        for name in names:
            self._composers[name].refresh()
        return {"cameras": len(names)}

    def _set_policy(self, arguments: Arguments) -> dict[str, Value]:
        now, sender = self._pipeline.detail, self._pipeline.allowed.tables.sender
        try:
            asked = msgspec.convert(dict(arguments), _Policy)
            checked(asked.limits(self._budget.limits), self._budget.standing)
            self._allow(asked.of(sender), sender)
            detail = self._applied(asked)
        except (msgspec.ValidationError, BundleError, BudgetError, PolicyError, DetectorError) as error:
            self._allow_again(sender)
            raise CommandError(str(error)) from error
        self._budget.adopt(asked.limits(self._budget.limits))
        if detail != now or self._pipeline.allowed.tables.sender != sender:
            for composer in self._composers.values():
                composer.refresh()  # a vector that is sent no more would seem to be as before
        return self.in_force()

    def _applied(self, asked: _Policy) -> Detail:
        """Send as much as is asked for; raises PolicyError for more than is allowed."""
        pipeline, (planes, still_bytes, vector) = self._pipeline, self._pipeline.wish
        pipeline.check(None if asked.planes is UNSET else asked.planes, vector=asked.vector is True)
        return pipeline.apply(
            planes if asked.planes is UNSET else asked.planes,
            still_bytes if asked.still_bytes is UNSET else asked.still_bytes,
            vector=vector if asked.vector is UNSET else asked.vector,
        )

    def _allow(self, asked: Sender, now: Sender) -> None:
        """Hide more, or again less, before anything is sent differently. Raises what cannot be enforced."""
        if asked == now:
            return
        if self._guard is None:
            raise PolicyError("this device cannot change what it hides while it runs")
        self._guard.adopt(asked, remote=True)
        self._pipeline.allow(asked)

    def _allow_again(self, sender: Sender) -> None:
        """Go back to what held where a part of a command was refused."""
        if self._pipeline.allowed.tables.sender != sender:
            self._pipeline.allow(sender)
        if self._guard is not None and self._guard.sender != sender:
            self._guard.adopt(sender)
