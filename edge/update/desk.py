"""The agent's side of updates: takes orders for root's updater, tells how they go, and swears that it works.

    cloud --set-release, set-bundle--> order() --wanted.json--> updater
          <--ping-- told() <--state.json--------------------------'
    receipts of the cloud --> look() --healthy.json--> updater

A process swears to the trial that stood in the state when it began, once the cloud holds a packet of this
boot. Where cameras give nothing, a receipt of this connection does, after two minutes of quiet; but not where
they are not looked at because what the cloud has set cannot be done with this version.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from msgspec.structs import replace

from edge.commands import Arguments, CommandError
from edge.config import Config
from edge.update import machine, running, settings, state, wishes
from edge.update.settings import UpdateConfig, UpdateConfigError
from edge.update.wishes import Health, Kind, Order, Wanted
from wire.bundle import Bundle
from wire.documents import Hex16, Value

QUIET_S = 120.0  # twice what a segment lasts at most
_RETRY_S = 10.0
_ORDERED = "ordered"
_NOT_SET_UP = "updates are not set up on this device: its settings have no update.settings"

log = structlog.get_logger()


class _Release(msgspec.Struct, forbid_unknown_fields=True):
    release: Hex16


class _Bundle(msgspec.Struct, forbid_unknown_fields=True):
    bundle: Hex16


_Asked = TypeVar("_Asked", _Release, _Bundle)


@dataclass(frozen=True, slots=True)
class Receipts:
    """What the cloud has said to this process: something (`heard`), that it has a packet (`stored`).

    `waiting` packets or segments are still to be sent or described. `unable`: to do what the cloud has set.
    """

    heard: bool
    stored: bool
    waiting: bool
    unable: bool = False


class Desk:
    """Of one process. `order` and `told` are for one thread, `look` for another."""

    def __init__(
        self,
        config: UpdateConfig | None = None,
        why_not: str = _NOT_SET_UP,
        release: str | None = None,
        bundle: str | None = None,
        sha256: str = "",
    ) -> None:
        """Without settings nothing is ordered, for the reason `why_not`; `sha256` is the bundle's, short."""
        self._config = config
        self._why_not = why_not
        self._release, self._bundle, self._sha256 = release, bundle, sha256
        self._trial = self._under_trial()
        self._quiet_s: float | None = None
        self._next_s = 0.0

    @classmethod
    def of(cls, config: Config, bundle: Bundle) -> "Desk":
        """Make that of this process, as the agent's settings say."""
        found: UpdateConfig | None = None
        why_not = _NOT_SET_UP
        if config.update.settings is not None:
            try:
                found = settings.load(Path(config.update.settings))
            except UpdateConfigError as error:
                why_not = f"updates are not set up on this device: {error}"
                log.warning("no updates", reason=str(error))
        own = running.id_of(bundle.root.resolve())
        return cls(found, why_not, running.own_release(), own, bundle.short_sha256)

    def set_release(self, arguments: Arguments) -> dict[str, Value]:
        """Want another release. Raises CommandError."""
        return self._want("agent", _asked(arguments, _Release).release)

    def set_bundle(self, arguments: Arguments) -> dict[str, Value]:
        """Want another bundle. Raises CommandError."""
        return self._want("bundle", _asked(arguments, _Bundle).bundle)

    def told(self) -> dict[str, Value]:
        """Say what runs, and what the updater is at."""
        said: dict[str, Value] = {"release": self._release, "bundle": self._bundle, "update": "none"}
        if self._config is None:
            return said
        now = state.read(self._config.folder)
        last = None if now.last is None else now.outcomes.get(now.last)
        spent = now.work.spent if now.work is not None else 0 if last is None else last.spent
        update = _ORDERED if self._is_ordered(now) else state.told(now, self._config.folder)
        return {**said, "update": update, "update_bytes": spent}

    def look(self, receipts: Receipts, now_s: float) -> None:
        """Swear that this process works, if it is under trial and it does."""
        if self._trial is None or self._config is None or now_s < self._next_s:
            return
        is_quiet = receipts.heard and not receipts.waiting and not receipts.unable
        if not is_quiet:
            self._quiet_s = None
        elif self._quiet_s is None:
            self._quiet_s = now_s
        was_quiet = self._quiet_s is not None and now_s - self._quiet_s >= QUIET_S
        if receipts.unable or not (receipts.stored or was_quiet):
            return
        path = Path(self._config.wishes, wishes.HEALTHY)
        try:
            wishes.write(path, self._health(self._trial))
        except OSError as error:
            log.warning("that this version works is not written", path=str(path), reason=str(error))
            self._next_s = now_s + _RETRY_S
            return
        log.info("this version works", trial=self._trial, stored=receipts.stored)
        self._trial = None

    def _want(self, kind: Kind, release: str) -> dict[str, Value]:
        word = "release" if kind == "agent" else "bundle"
        if self._config is None:
            raise CommandError(self._why_not)
        work = state.read(self._config.folder).work
        if work is not None and work.step not in ("fetching", "installing"):
            raise CommandError(f"{work.id} is being tried: ask again when that is over")
        if release == (self._release if kind == "agent" else self._bundle):
            raise CommandError(f"{word} {release} runs already")
        path = Path(self._config.wishes, wishes.WANTED)
        wanted = wishes.read(path, Wanted) or Wanted()
        try:
            wishes.write(path, replace(wanted, **{kind: Order(release, os.urandom(8).hex())}))
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from error
        return {"update": "accepted"}  # not "release": that is what runs

    def _is_ordered(self, now: state.State) -> bool:
        """Tell whether an order waits that the updater has not taken up: what it said last is of another."""
        if self._config is None or now.work is not None:
            return False
        wanted = wishes.read(Path(self._config.wishes, wishes.WANTED), Wanted) or Wanted()
        done = {outcome.order for outcome in now.outcomes.values()}  # chance names them: no kind shares one
        return any(order is not None and order.order not in done for order in (wanted.agent, wanted.bundle))

    def _under_trial(self) -> str | None:
        if self._config is None:
            return None
        work = state.read(self._config.folder).work
        return work.trial if work is not None and work.step == "trying" and work.trial else None

    def _health(self, trial: str) -> Health:
        pid, boot = os.getpid(), machine.boot_id()
        began = machine.started(pid) or 0
        return Health(trial, self._release, self._bundle, self._sha256, boot, pid, began)


def _asked(arguments: Arguments, kind: type[_Asked]) -> _Asked:
    try:
        return msgspec.convert(dict(arguments), kind)
    except msgspec.ValidationError as error:
        raise CommandError(f"{error}: it takes 16 hexadecimal digits") from error
