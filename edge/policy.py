"""What is sent, of what, and how much of it: the device's own settings, and what the cloud has set over them.

    settings --.
               +--> Policy --> Guard, Pipeline, Budget
    Keeper ----'       ^
      ^------------ set-policy

What holds follows from the settings and from all that the cloud has set, at a command as at a start. A
command is checked against the settings alone; what was set before is fitted to them.

Fails closed: where what the cloud has set is not known, or cannot be done, nothing is looked at.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

import msgspec
import structlog
from msgspec import UNSET, structs

from edge.allowance import BudgetError, Limits, checked, fitted
from edge.asked import Asked
from edge.budget import Budget
from edge.commands import Arguments, CommandError
from edge.composer import Composer
from edge.kept import WAY_BACK, Keeper, Kept
from edge.links import Links
from edge.pipeline import Pipeline, checked_planes
from edge.privacy.guard import Guard
from edge.privacy.remote import told
from edge.upshot import CANNOT, Own, Upshot, upshot
from wire.documents import Value

_REFUSED = (*CANNOT, BudgetError)

log = structlog.get_logger()


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
        detail = dict(zip(("planes", "still_bytes", "vector"), pipeline.wish, strict=True))
        self._own = Own(guard.file, pipeline.allowed.tables.network, detail, budget.stated)
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
            holds = self._do(keeper.kept)
        except CANNOT as error:
            self.unable = True
            self.trouble = f"{keeper.path}: what the cloud has set cannot be done: {error}"
            holds = upshot(self._own, self._pipeline.bundle, Kept())
            self._allow(replace(holds, sender=structs.replace(holds.sender, off=True)))
        if self.trouble is not None:
            log.error("nothing is looked at", reason=self.trouble, do=WAY_BACK)
        elif holds.differing:
            log.warning("the cloud has set otherwise than the settings", holds=holds.differing, do=WAY_BACK)

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
            kept = self._keeper.kept.with_asked(asked, self._own.device, link, limits)
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

    def _do(self, kept: Kept, asked: Asked | None = None) -> Upshot:
        """Do as the settings and the cloud say; `asked` is what is new of that.

        Raises what is _REFUSED, and then nothing has changed.
        """
        holds = upshot(self._own, self._pipeline.bundle, kept)
        if asked is not None:
            planes = None if asked.planes is UNSET else asked.planes
            self._pipeline.check(holds.sender, planes, vector=asked.vector is True)
        self._allow(holds)
        for name, limits in holds.limits.items():
            self._budget.adopt(fitted(limits, self._budget.standing), name)
        return holds

    def _allow(self, holds: Upshot) -> None:
        """Go by all of it but the limits, or by nothing: what can be refused is, before anything changes."""
        held = self._guard.prepared(holds.sender, remote=True)
        self._pipeline.adopt(holds.sender, holds.planes, holds.still_bytes, vector=holds.vector)
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
