"""What is sent, of what, and how much of it: the device's own settings, and what the cloud has set over them.

    settings --.
               +--> Policy --> Guard, Pipeline, Budget
    Keeper ----'       ^
      ^------------ set-policy

What holds follows from the settings and from all that the cloud has set, at a command as at a start. A
command is checked against the settings alone; what was set before is fitted to them.

Fails closed: where what the cloud has set is not known, or cannot be done, nothing is looked at.
"""

from collections.abc import Container, Mapping
from dataclasses import asdict

import msgspec
import structlog
from msgspec import UNSET, Struct, structs

from edge.allowance import BudgetError, Limits, checked, fitted
from edge.asked import OF_SENDER, Asked
from edge.budget import Budget
from edge.commands import Arguments, CommandError
from edge.composer import Composer
from edge.config import Planes, StillBytes
from edge.kept import WAY_BACK, Keeper, Kept, Wishes, holding
from edge.links import Links
from edge.pipeline import Pipeline, checked_planes
from edge.privacy.allowed import most_planes
from edge.privacy.guard import Guard
from edge.privacy.model_files import DetectorError
from edge.privacy.remote import AskedOfSender, stated, told
from wire.bundle import Bundle, BundleError
from wire.documents import Value
from wire.policy import PolicyError, Receiver, Sender, effective

_REFUSED = (msgspec.ValidationError, BundleError, BudgetError, PolicyError, DetectorError)

log = structlog.get_logger()


class _Wish(Struct):
    planes: Planes | None
    still_bytes: StillBytes
    vector: bool


class Policy:
    """For one thread; `in_force` for any. Made of parts that do as the settings say; `resume` comes first.

    `composers` are the cameras', by name. `trouble`: why nothing is looked at, whatever the settings say;
    `unable`: because it is known what the cloud has set, but cannot be done.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        composers: Mapping[str, Composer],
        budget: Budget,
        guard: Guard,
        links: Links | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        planes, still_bytes, vector = pipeline.wish
        self._wish: dict[str, Value] = {"planes": planes, "still_bytes": still_bytes, "vector": vector}
        self._own = self._wish | stated(guard.file)
        self._network = pipeline.allowed.tables.network
        self._pipeline = pipeline
        self._composers = composers
        self._budget = budget
        self._guard = guard
        self._links = links or Links()
        self._keeper = keeper or Keeper()
        self.trouble: str | None = None
        self.unable = False

    def in_force(self) -> dict[str, Value]:
        """Say what is sent at present, as `set-policy` answers."""
        pipeline, limits = self._pipeline, self._budget.limits
        return asdict(pipeline.detail) | asdict(limits) | told(pipeline.allowed) | self._links.told()

    def resume(self) -> None:
        """Go on with what the cloud has set; before any camera is looked at, and anything is sent."""
        keeper = self._keeper
        self.trouble = keeper.trouble
        try:
            self._do(keeper.kept)
        except _REFUSED as error:
            self.unable = True
            self.trouble = f"{keeper.path}: what the cloud has set cannot be done: {error}"
            self._allow(structs.replace(self._guard.file, off=True), msgspec.convert(self._wish, _Wish))
        if self.trouble is not None:
            log.error("nothing is looked at", reason=self.trouble, do=WAY_BACK)
        elif differing := self._differing(keeper.kept):
            log.warning("the cloud has set otherwise than the settings", holds=differing, do=WAY_BACK)

    def set(self, arguments: Arguments) -> dict[str, Value]:
        """Carry out `set-policy`: all of it, or nothing where CommandError is raised for what it says."""
        if not arguments:
            return self.in_force()
        before = self._pipeline.detail, self._guard.sender
        try:
            asked = msgspec.convert(dict(arguments), Asked)
            link = self._budget.link
            limits = self._budget.stated[link]
            self._check(asked, limits)
            kept = self._keeper.kept.with_asked(asked, self._own, link, limits)
            self._do(kept, asked)
        except _REFUSED as error:
            raise CommandError(str(error)) from error
        if (self._pipeline.detail, self._guard.sender) != before:
            for composer in self._composers.values():
                composer.refresh()  # a vector that is sent no more would seem to be as before
        self._keep(kept)
        return self.in_force()

    def _check(self, asked: Asked, own: Limits) -> None:
        """Raise what a command that stood alone would be refused for."""
        self._guard.check(asked.of(self._guard.file))
        checked(asked.limits(own), self._budget.standing)
        checked_planes(self._pipeline.bundle, None if asked.planes is UNSET else asked.planes)

    def _do(self, kept: Kept, asked: Asked | None = None) -> None:
        """Do as the settings and the cloud say; `asked` is what is new of that.

        Raises what is _REFUSED, and then nothing has changed.
        """
        pipeline, sender = self._pipeline, sender_of(self._guard.file, kept)
        if sender != self._guard.file:
            for name in self._budget.stated:  # a link becomes active when nobody can refuse anything
                most_planes(pipeline.bundle, effective(sender, self._network.on(name), Receiver()))
        if asked is not None:
            planes = None if asked.planes is UNSET else asked.planes
            pipeline.check(sender, planes, vector=asked.vector is True)
        self._allow(sender, msgspec.convert(self._wish | holding(_only(kept, self._wish), self._own), _Wish))
        for name, own in self._budget.stated.items():
            self._budget.adopt(fitted(kept.limits(name, own), self._budget.standing), name)

    def _allow(self, sender: Sender, wish: _Wish) -> None:
        """Go by both, or by neither: all that can be refused is, before anything changes."""
        held = self._guard.prepared(sender, remote=True)
        planes = _fitting(self._pipeline.bundle, wish.planes)
        self._pipeline.adopt(sender, planes, wish.still_bytes, vector=wish.vector)
        self._guard.hold(held)

    def _keep(self, kept: Kept) -> None:
        self.trouble, self.unable = None, False
        try:
            self._keeper.keep(kept)
        except OSError as error:
            raise CommandError(
                f"in force, but only until this process ends: {self._keeper.path} cannot be written: "
                f"{error.strerror or error}; ask again when it can"
            ) from error

    def _differing(self, kept: Kept) -> dict[str, Value]:
        """Give what holds otherwise than the settings say."""
        holds = holding(kept.device, self._own, _bound(self._guard.file))
        found = {name: value for name, value in holds.items() if value != self._own[name]}
        for link, own in self._budget.stated.items():
            said = asdict(own)
            limits = asdict(kept.limits(link, own))
            on = f" on {link}" if link else ""
            found |= {f"{name}{on}": value for name, value in limits.items() if value != said[name]}
        return found


def sender_of(file: Sender, kept: Kept) -> Sender:
    """Give the table that holds, which never forbids less than the device's own, unless that is `remote`.

    Raises PolicyError.
    """
    holds = holding(_only(kept, OF_SENDER), stated(file), _bound(file))
    sender = msgspec.convert(holds, AskedOfSender).of(file)
    if file.remote:
        return sender
    return structs.replace(sender, words=tuple(dict.fromkeys((*file.words, *sender.words))))


def _bound(file: Sender) -> frozenset[str]:
    return frozenset() if file.remote else OF_SENDER


def _only(kept: Kept, names: Container[str]) -> Wishes:
    return {name: wish for name, wish in kept.device.items() if name in names}


def _fitting(bundle: Bundle, planes: int | None) -> int | None:
    """Give so many planes, or as many fewer as the bundle takes, which may be another than then."""
    info = bundle.manifest.appearance
    if planes is None or info is None:
        return None
    return 0 if planes < info.coarse_planes else min(planes, info.planes)
