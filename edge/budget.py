"""The governor of a running device, and the file in which its account survives.

    uplink --admits?--> Budget --> Governor         the account is on the disk before anything is sent on it
               '--spent-->  '----> FILE (JSON, replaced whole)

Where the disk is full a metered device falls silent: what is not written down would be forgotten.
"""

import os
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from edge.allowance import Account, Limits, Purpose, Standing
from edge.governor import Governor, State
from edge.menu import Menu, Plan

log = structlog.get_logger()


class _File(Struct, frozen=True):
    level_bytes: float
    clock_ms: float | None
    month: str
    month_bytes: int
    prices: tuple[float, ...]


class Budget:
    """May be called by any thread. Raises BudgetError for limits that keep no device connected.

    A file that cannot be read counts as an empty account: it was not a full one.
    """

    def __init__(
        self,
        limits: Limits,
        standing: Standing | None = None,
        path: Path | None = None,
        cameras: int = 1,
    ) -> None:
        self._path = path
        self.standing = standing or Standing()
        state = None if path is None else _read(path)
        self._governor = Governor(limits, self.standing, state, cameras)

    @property
    def limits(self) -> Limits:
        return self._governor.limits

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to keep within."""
        limits = self.limits
        return limits.bytes_per_s is not None or limits.bytes_per_month is not None

    def adopt(self, limits: Limits) -> None:
        """Go by these limits from now on, or raise BudgetError."""
        self._governor.adopt(limits)

    def plan(self, camera: str, menu: Menu, now_s: float, waiting_bytes: int) -> Plan:
        """Choose what is sent of a segment; see Governor."""
        return self._governor.plan(camera, menu, now_s, waiting_bytes)

    def segment_ms(self, shortest_ms: int) -> int:
        """Say how long segments should be; see Governor."""
        return self._governor.segment_ms(shortest_ms)

    def admits(self, purpose: Purpose, size: int, now_s: float) -> bool:
        """Tell whether `size` bytes may go out now."""
        if self._governor.is_due():
            self._keep()
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
        self._keep(last=True)

    def _keep(self, *, last: bool = False) -> None:
        if self._path is None:
            self._governor.keep(last=last)
            self._governor.kept(last=last)
            return
        if self.limits.bytes_per_month is None:
            return  # nothing outlives the process
        state = self._governor.keep(last=last)
        try:
            _write(self._path, state)
        except OSError as error:
            reason = error.strerror or str(error)
            log.warning("account is not kept, nothing may be sent", path=str(self._path), reason=reason)
            return
        self._governor.kept(last=last)


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
