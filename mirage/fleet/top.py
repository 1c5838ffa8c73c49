"""`mirage fleet top`: who sends most, live in the terminal, until q or Ctrl-C.

keys   r rate   t today   s spool   b budget   q end
"""

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cloud.clock import wall_ms
from cloud.fleet import DeviceNow, Fleet
from cloud.store import StoreError
from mirage.fleet.source import fleet_of
from mirage.fleet.status import below
from mirage.fleet.wording import ORDERS, ordered, table_of, totals_text
from mirage.output import print_line, print_tables

_KEYS = {name[0]: name for name in ORDERS}
_AROUND = 4  # lines: totals, head of the table, its rule, keys
_LOOK_S = 0.1


def top(config: Path, place: str | None, by: str, every_s: float, limit: int, *, once: bool) -> None:
    """Show the first devices of an order, again and again; `once` for scripts, and where no terminal is.

    Raises ConfigError, StoreError at the start, InputError for a place with no device.
    """
    with fleet_of(config) as fleet:
        devices = below(fleet.look(), place)
        if once or not sys.stdout.isatty() or not sys.stdin.isatty():
            print_line(totals_text(devices))
            print_tables(table_of(ordered(devices, by, limit), wall_ms()))
            return
        with contextlib.suppress(KeyboardInterrupt), _keys() as key:
            _Screen(fleet, place, by, limit).run(devices, every_s, key)


class _Screen:
    """What is shown; `by` may be changed while it is."""

    def __init__(self, fleet: Fleet, place: str | None, by: str, limit: int) -> None:
        self._fleet = fleet
        self._place = place
        self._by = by
        self._limit = limit
        self._trouble = ""

    def run(self, devices: list[DeviceNow], every_s: float, key: Callable[[float], str]) -> None:
        """Show and look again until q is pressed."""
        console = Console()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            looked_s = time.monotonic()
            while True:
                live.update(self._picture(devices, console.height), refresh=True)
                pressed = key(max(every_s - (time.monotonic() - looked_s), 0.0))
                if pressed == "q":
                    return
                self._by = _KEYS.get(pressed, self._by)
                if time.monotonic() - looked_s >= every_s:
                    devices, looked_s = self._looked(devices), time.monotonic()

    def _looked(self, before: list[DeviceNow]) -> list[DeviceNow]:
        """Look again; what was seen last stays where the store does not answer."""
        try:
            devices = below(self._fleet.look(), self._place)
        except StoreError as error:
            self._trouble = str(error)
            return before
        self._trouble = ""
        return devices

    def _picture(self, devices: list[DeviceNow], height: int) -> Group:
        rows = max(min(self._limit, height - _AROUND), 1)
        keys = Text("  ".join(f"{key} {name}" for key, name in _KEYS.items()) + "  q end", "dim")
        keys.append(f"   by {self._by}", "bold")
        if self._trouble:
            keys.append(f"   {self._trouble}", "red")
        return Group(totals_text(devices), table_of(ordered(devices, self._by, rows), wall_ms()), keys)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Take keys without Enter; the body gets what waits for one, and gives "" if none comes in time."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def key(timeout_s: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], max(timeout_s, _LOOK_S))
        return sys.stdin.read(1) if ready else ""

    try:
        yield key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
