"""The governor of a running device, and the file in which its account survives.

    uplink --admits?--> Budget --> Governor         the account is on the disk before anything is sent on it
               '--spent-->  '----> FILE (JSON, replaced whole)

Each link has a governor and a file of its own, FILE-NAME; one holds at a time.

Where the disk is full a metered device falls silent: what is not written down would be forgotten.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from edge.allowance import Account, BudgetError, Limits, Purpose, Standing, checked, fitted
from edge.governor import Governor, State
from edge.menu import Menu, Plan

log = structlog.get_logger()


class _File(Struct, frozen=True):
    level_bytes: float
    clock_ms: float | None
    month: str
    month_bytes: int
    prices: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one link: its limits, whether segments may go out now, and what the cloud has set instead."""

    limits: Limits
    sends: Callable[[], bool] = lambda: True
    instead: Limits | None = None


@dataclass(frozen=True, slots=True)
class _Account:
    governor: Governor
    path: Path | None
    sends: Callable[[], bool]
    stated: Limits


class Budget:
    """May be called by any thread. Raises BudgetError for limits that keep no device connected.

    A file that cannot be read counts as an empty account: it was not a full one. All questions are about the
    link that is followed; at the beginning, and where `links` has none of its name, that is "".
    """

    def __init__(
        self,
        limits: Limits,
        standing: Standing | None = None,
        path: Path | None = None,
        cameras: int = 1,
        sends: Callable[[], bool] = lambda: True,
        links: Mapping[str, Terms] | None = None,
        instead: Limits | None = None,
    ) -> None:
        """Let segments go out while `sends` says so, and everything else at any hour; see `Terms`."""
        self.standing = standing or Standing()
        self._accounts = dict[str, _Account]()
        for name, terms in {"": Terms(limits, sends, instead), **(links or {})}.items():
            file = path if path is None or not name else path.with_name(f"{path.name}-{name}")
            state = None if file is None else _read(file)
            governor = _governor(name, terms, self.standing, state, cameras)
            self._accounts[name] = _Account(governor, file, terms.sends, terms.limits)
        self._now = self._accounts[""]

    @property
    def limits(self) -> Limits:
        return self._governor.limits

    @property
    def month_bytes(self) -> int:
        """What was spent in this month of the calendar: for people, nothing is decided by it."""
        return self._governor.month_bytes

    @property
    def is_open(self) -> bool:
        """Whether segments may go out at this hour."""
        return self._now.sends()

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to keep within."""
        limits = self.limits
        return limits.bytes_per_s is not None or limits.bytes_per_month is not None

    def follow(self, link: str) -> None:
        """Go by the account of this link from now on; that of the one before is written down."""
        after = self._accounts.get(link, self._accounts[""])
        if after is not self._now:
            self._keep(self._now, last=True)
            self._now = after

    @property
    def link(self) -> str:
        """The link whose account is followed."""
        return next(name for name, account in self._accounts.items() if account is self._now)

    @property
    def stated(self) -> dict[str, Limits]:
        """What the settings say of each link."""
        return {name: account.stated for name, account in self._accounts.items()}

    def adopt(self, limits: Limits, link: str | None = None) -> None:
        """Go by these limits from now on, on a link or on the one that is followed, or raise BudgetError."""
        governor = (self._now if link is None else self._accounts[link]).governor
        if governor.limits != limits:
            governor.adopt(limits)

    def plan(self, camera: str, menu: Menu, now_s: float, waiting_bytes: int) -> Plan:
        """Choose what is sent of a segment; see Governor."""
        return self._governor.plan(camera, menu, now_s, waiting_bytes)

    def segment_ms(self, shortest_ms: int) -> int:
        """Say how long segments should be; see Governor."""
        return self._governor.segment_ms(shortest_ms)

    def admits(self, purpose: Purpose, size: int, now_s: float) -> bool:
        """Tell whether `size` bytes may go out now."""
        if purpose >= Purpose.LIVE and not self.is_open:
            return False
        if self._governor.is_due():
            self._keep(self._now)
        return self._governor.admits(purpose, size, now_s)

    def most(self, purpose: Purpose) -> float:
        """Give the size of the largest message that is ever admitted."""
        return self._governor.most(purpose)

    def spent(self, purpose: Purpose, size: int, now_s: float) -> None:
        """Count what went out."""
        self._governor.spent(purpose, size, now_s)

    def hear(self, cloud_ms: int, now_s: float) -> None:
        """Take the cloud's time."""
        self._governor.hear(cloud_ms, now_s)

    def close(self) -> None:
        """Write the account down as it is; nothing may be sent any more."""
        self._keep(self._now, last=True)

    @property
    def _governor(self) -> Governor:
        return self._now.governor

    def _keep(self, account: _Account, *, last: bool = False) -> None:
        governor, path = account.governor, account.path
        if path is None:
            governor.keep(last=last)
            governor.kept(last=last)
            return
        if governor.limits.bytes_per_month is None:
            return  # nothing outlives the process
        state = governor.keep(last=last)
        try:
            _write(path, state)
        except OSError as error:
            reason = error.strerror or str(error)
            log.warning("account is not kept, nothing may be sent", path=str(path), reason=reason)
            return
        governor.kept(last=last)


def _governor(link: str, terms: Terms, standing: Standing, state: State | None, cameras: int) -> Governor:
    try:
        checked(terms.limits, standing)
        limits = terms.limits if terms.instead is None else fitted(terms.instead, standing)
        return Governor(limits, standing, state, cameras)
    except BudgetError as error:
        raise BudgetError(f"{f'link {link}: ' if link else ''}{error}") from error


def _read(path: Path) -> State | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("account cannot be read, begins empty", path=str(path), reason=str(error))
        return State(Account(0.0))
    account = Account(found.level_bytes, found.clock_ms, found.month, found.month_bytes)
    return State(account, found.prices)


def _write(path: Path, state: State) -> None:
    """Replace the file whole, and only once its bytes are on the disk."""
    account = state.account
    data = msgspec.json.encode(
        _File(account.level_bytes, account.clock_ms, account.month, account.month_bytes, state.prices)
    )
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
