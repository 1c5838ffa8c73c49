"""What the cloud may ask of a device.

    ping        ()                                                  uptime_s, software, boot_id, link,
                                                                    release, bundle, update, update_bytes
    keyframe    camera (all)                                        the next segment of it builds on no other
    set-policy  planes (bundle's default), vector, still_bytes,     what is sent from the next segment on, and
                bytes_per_s, burst_bytes, bytes_per_month           how much (null: no limit)
                off, on_motion, faces, text, people, plates,        of what: [sender] in docs/constraints.md
                words, layers, picture_px, noise
                reset (true)                                        back to the settings, before all else
    set-release release                                             is fetched, tried, and kept or undone: see
    set-bundle  bundle                                              edge/update

`set-policy` takes what [encode] and [network] of the settings take, and answers what comes of it. What is
left out stays as it is; bytes are those of the link that is active, which answers name where there are
several; where that has no name, they also bound links that state none. What is set is on the disk before it
is answered, and stays over restarts (edge/kept.py). What [sender] forbids can be tightened, and loosened
again, but never beyond the device's own file, unless that says `remote = true`.
"""

import time
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from edge.commands import Arguments, CommandError, Handler
from edge.composer import Composer
from edge.identity import software
from edge.links import Links
from edge.policy import Policy
from edge.update.desk import Desk
from wire.documents import Value


class _Keyframe(Struct, forbid_unknown_fields=True):
    camera: str | None = None


class Verbs:
    """Carries out commands, in the thread that calls. `composers` are the cameras', by name."""

    def __init__(
        self,
        boot_id: bytes,
        composers: Mapping[str, Composer],
        policy: Policy,
        links: Links | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._desk = desk or Desk()
        self._links = links or Links()
        self._policy = policy
        self._boot_id = boot_id
        self._begun_s = time.monotonic()
        self._composers = composers

    def handlers(self) -> dict[str, Handler]:
        """Give all of them by their verbs."""
        return {
            "ping": self._ping,
            "keyframe": self._keyframe,
            "set-policy": self._policy.set,
            "set-release": self._desk.set_release,
            "set-bundle": self._desk.set_bundle,
        }

    def _ping(self, arguments: Arguments) -> dict[str, Value]:
        if arguments:
            raise CommandError(f"ping takes no arguments, got {', '.join(sorted(arguments))}")
        uptime_s = round(time.monotonic() - self._begun_s)
        own = self._links.told() | self._desk.told()
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
