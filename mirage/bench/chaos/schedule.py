"""Which fault happens when: seed and length in, a list of timed faults out. Pure.

    storm          calm     storm              calm
    x x  x xx x             x x  xx  x x  x             then everything is mended, and the device drains

Faults are dealt from shuffled decks, so that every kind happens about equally often in a run of any length.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum


class Side(str, Enum):
    """Whose link to the broker, or which process."""

    DEVICE = "device"
    CLOUD = "cloud"
    BROKER = "broker"


class Kind(str, Enum):
    """What goes wrong."""

    # on a link
    DELAY = "delay"  # and jitter
    TRICKLE = "trickle"
    STALL = "stall"
    RESET = "cut-rst"
    FINISH = "cut-fin"
    HALF_OPEN = "half-open"
    REFUSE = "refuse"
    CORRUPT = "corrupt"
    REORDER = "reorder"
    # with a process
    KILL = "kill"
    CLOCK = "clock-jump"
    # with what is stored, or said
    DISK_FULL = "disk-full"
    SPOOL_DAMAGE = "spool-damage"
    STORE_LOCK = "store-lock"
    REPLAY = "replay"


class Way(str, Enum):
    """Of a half-open connection: the direction in which bytes vanish, seen from the device or cloud."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `amount` is what _DRAWS says for its kind; a killed process is away for `duration_s`."""

    at_s: float
    kind: Kind
    side: Side
    duration_s: float = 0.0
    amount: float = 0.0
    way: Way = Way.BOTH

    @property
    def name(self) -> str:
        """What it is counted as."""
        return f"{self.kind.value}-{self.side.value}"


FIRST_S = 4.0  # nothing goes wrong before, so that there is something to lose
_BETWEEN_S = (0.2, 2.4)
_STORM_S = (8.0, 20.0)
_CALM_S = (4.0, 10.0)
_HOUR_MS = 3_600_000

# What a deck holds: side, kind, how often.
_DECK = (
    (Side.DEVICE, Kind.DELAY, 1), (Side.DEVICE, Kind.TRICKLE, 1), (Side.DEVICE, Kind.STALL, 1),
    (Side.DEVICE, Kind.RESET, 2), (Side.DEVICE, Kind.FINISH, 1), (Side.DEVICE, Kind.HALF_OPEN, 2),
    (Side.DEVICE, Kind.REFUSE, 1), (Side.DEVICE, Kind.CORRUPT, 2), (Side.DEVICE, Kind.REORDER, 3),
    (Side.DEVICE, Kind.KILL, 3), (Side.DEVICE, Kind.CLOCK, 1), (Side.DEVICE, Kind.DISK_FULL, 1),
    (Side.DEVICE, Kind.SPOOL_DAMAGE, 1),
    (Side.CLOUD, Kind.DELAY, 1), (Side.CLOUD, Kind.TRICKLE, 1), (Side.CLOUD, Kind.STALL, 1),
    (Side.CLOUD, Kind.RESET, 1), (Side.CLOUD, Kind.FINISH, 1), (Side.CLOUD, Kind.HALF_OPEN, 1),
    (Side.CLOUD, Kind.CORRUPT, 1), (Side.CLOUD, Kind.REORDER, 1), (Side.CLOUD, Kind.KILL, 3),
    (Side.CLOUD, Kind.CLOCK, 1), (Side.CLOUD, Kind.STORE_LOCK, 1),
    (Side.BROKER, Kind.KILL, 2), (Side.BROKER, Kind.REPLAY, 2),
)  # fmt: skip


def plan(seed: int, length_s: float, *, corruption: bool) -> tuple[Fault, ...]:
    """Deal faults for `length_s` seconds, by time. Without `corruption` no byte is changed on the way.

    Bytes may only be changed where somebody can tell: neither MQTT nor a packet that is not sealed has a
    checksum, and TCP's own, which a real network has, is computed anew by a proxy.
    """
    chance = random.Random(seed)  # noqa: S311 -- replayed by its seed, guards nothing
    cards = _cards(chance, corruption=corruption)
    faults = list[Fault]()
    now_s, storm_ends_s = FIRST_S, FIRST_S + chance.uniform(*_STORM_S)
    while now_s < length_s:
        side, kind = next(cards)
        faults.append(_fault(chance, now_s, side, kind))
        now_s += chance.uniform(*_BETWEEN_S)
        if now_s >= storm_ends_s:
            now_s += chance.uniform(*_CALM_S)
            storm_ends_s = now_s + chance.uniform(*_STORM_S)
    return tuple(faults)


def _cards(chance: random.Random, *, corruption: bool) -> Iterator[tuple[Side, Kind]]:
    deck = [
        (side, kind)
        for side, kind, times in _DECK
        if corruption or kind is not Kind.CORRUPT
        for _ in range(times)
    ]
    while True:
        chance.shuffle(deck)
        yield from deck


def _fault(chance: random.Random, at_s: float, side: Side, kind: Kind) -> Fault:
    draw = _DRAWS.get(kind)
    return Fault(at_s, kind, side) if draw is None else replace(draw(chance), at_s=at_s, kind=kind, side=side)


def _of(duration_s: float, amount: float = 0.0, way: Way = Way.BOTH) -> Fault:
    return Fault(0.0, Kind.KILL, Side.DEVICE, duration_s, amount, way)


def _jump_ms(chance: random.Random) -> float:
    return chance.choice((-1, 1)) * chance.choice((500, 60_000, _HOUR_MS, 24 * 365 * _HOUR_MS))


_DRAWS: Mapping[Kind, Callable[[random.Random], Fault]] = {
    Kind.DELAY: lambda chance: _of(chance.uniform(2, 8), chance.uniform(0.05, 0.8)),  # s
    Kind.TRICKLE: lambda chance: _of(chance.uniform(2, 8), chance.uniform(100, 2000)),  # bytes/s
    Kind.STALL: lambda chance: _of(chance.uniform(0.5, 8)),
    Kind.REFUSE: lambda chance: _of(chance.uniform(0.5, 8)),
    Kind.HALF_OPEN: lambda chance: _of(chance.uniform(1, 12), way=chance.choice(tuple(Way))),
    Kind.CORRUPT: lambda chance: _of(chance.uniform(1, 4), chance.choice((0.02, 0.2, 1.0))),  # of chunks
    Kind.REORDER: lambda chance: _of(chance.uniform(0.1, 1), chance.uniform(0, 1)),
    Kind.KILL: lambda chance: _of(chance.choice((0.0, chance.uniform(0, 1), chance.uniform(1, 8)))),
    Kind.CLOCK: lambda chance: _of(0.0, _jump_ms(chance)),
    Kind.DISK_FULL: lambda chance: _of(chance.uniform(2, 10)),
    Kind.SPOOL_DAMAGE: lambda chance: _of(chance.uniform(0, 2), chance.choice((1, 8, 4096, 20_000))),  # bytes
    Kind.STORE_LOCK: lambda chance: _of(chance.uniform(0.5, 6)),
}
