"""What the cloud may ask of a device.

    ping        ()                                                  uptime_s, software, boot_id
    keyframe    camera (all)                                        the next segment of it builds on no other
    set-policy  planes (bundle's default), vector, still_bytes,     what is sent from the next segment on, and
                bytes_per_s, burst_bytes, bytes_per_month           how much (null: no limit)
    set-bundle                                                      not by this version

`set-policy` takes what [encode] and [network] of the settings take, and answers what comes of it. What is
left out stays as it is; a restart goes back to the settings.
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
from edge.pipeline import Pipeline
from wire.bundle import BundleError
from wire.documents import Value


class _Keyframe(Struct, forbid_unknown_fields=True):
    camera: str | None = None


class _Policy(Struct, forbid_unknown_fields=True):
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
        self, boot_id: bytes, pipeline: Pipeline, composers: Mapping[str, Composer], budget: Budget
    ) -> None:
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
            "set-bundle": self._set_bundle,
        }

    def _ping(self, arguments: Arguments) -> dict[str, Value]:
        if arguments:
            raise CommandError(f"ping takes no arguments, got {', '.join(sorted(arguments))}")
        uptime_s = round(time.monotonic() - self._begun_s)
        return {"uptime_s": uptime_s, "software": software(), "boot_id": self._boot_id.hex()}

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
        now = self._pipeline.detail
        try:
            asked = msgspec.convert(dict(arguments), _Policy)
            checked(asked.limits(self._budget.limits), self._budget.standing)
            detail = self._pipeline.apply(
                now.planes if asked.planes is UNSET else asked.planes,
                now.still_bytes if asked.still_bytes is UNSET else asked.still_bytes,
                vector=now.vector if asked.vector is UNSET else asked.vector,
            )
        except (msgspec.ValidationError, BundleError, BudgetError) as error:
            raise CommandError(str(error)) from error
        self._budget.adopt(asked.limits(self._budget.limits))
        if detail != now:
            for composer in self._composers.values():
                composer.refresh()  # a vector that is sent no more would seem to be as before
        return {**asdict(detail), **asdict(self._budget.limits)}

    def _set_bundle(self, _arguments: Arguments) -> dict[str, Value]:
        raise CommandError("set-bundle is not supported by this version")
