"""Notices that one identity runs twice: two boots that take the connection from each other, again and again.

    boots of connections, oldest first:   A A B A B A B A B A        copied: each throws the other out
                                          A A B B B C C              reboots: what is over never returns
                                          A B A B B                  births that came late, out of order

A birth that comes late can only be displaced by what was under way beside it. So it takes more changes
between the same two boots, within a time, than a few displaced births can make.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.identity import alarms
from cloud.schema import BootRow, KeyRow
from wire.topics import DeviceTopics

WITHIN_MS = 600_000
CHANGES = 8  # births displaced by up to three places between two boots make at most seven
_LOOKED_AT = 64  # connections


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection of a device: of which boot, and when its birth came."""

    boot: str
    born_ms: int


def running_twice(connections: Sequence[Connection], now_ms: int) -> tuple[str, str] | None:
    """Name two boots that are up at once; None if there are none such. The oldest connection is first."""
    recent = [each.boot for each in connections if each.born_ms > now_ms - WITHIN_MS]
    times = Counter(recent)
    often = [boot for boot, count in times.items() if count > CHANGES // 2 - 1]
    for index, one in enumerate(often):
        for other in often[index + 1 :]:
            if _changes(boot for boot in recent if boot in (one, other)) >= CHANGES:
                return one, other
    return None


def look(session: Session, device: DeviceTopics, device_id: int, now_ms: int) -> None:
    """Raise an alarm if the latest connections of a device are of two at once."""
    which = (
        select(BootRow.boot_hex, KeyRow.born_ms)
        .join(BootRow, BootRow.id == KeyRow.boot_id)
        .where(KeyRow.device_id == device_id)
        .order_by(KeyRow.id.desc())
        .limit(_LOOKED_AT)
    )
    connections = [Connection(boot, born_ms) for boot, born_ms in session.execute(which)]
    found = running_twice(connections[::-1], now_ms)
    if found is not None:
        detail = f"boots {found[0]} and {found[1]} take the connection from each other: a copied card?"
        alarms.sound(session, device, alarms.TWO_AT_ONCE, detail, now_ms)


def _changes(boots: Iterable[str]) -> int:
    return sum(before != after for before, after in pairwise(boots))
