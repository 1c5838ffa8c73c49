"""The agent's composer for hundreds of cameras: what two of them do alike is computed once.

    State --(shot, plan)--> packet, State        a State is what a receiver holds after a packet

A packet follows from what the receiver holds, the segment, and what the budget picks of its menu. So states
form a tree, whose root is "nothing" and which each shot that `begins` leaves for the root: it stays small.
Menus and packets are made by edge/composer.py; the plans are each device's own.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace

from edge.composer import Choose, Composer
from edge.menu import Menu, Plan
from mirage.fleet.films import Films, Shot
from wire.packet import Packet
from wire.segment import Codec

_Names = tuple[str, ...]


class _Numbers:
    """Sequence numbers: each is the depth in the tree, so that they count from what a state holds."""

    def __init__(self) -> None:
        self.next = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return self.next


@dataclass(slots=True)
class _Play:
    menu: Menu | None = None
    outcomes: dict[_Names | None, tuple[Packet, "State"]] = field(default_factory=dict)


class Studio:
    """Plays shots for all devices of a process; for one thread."""

    def __init__(self, codec: Codec, planes: int | None, films: Films) -> None:
        self.films = films
        self._numbers = _Numbers()
        self._composer = Composer(codec, planes, sequences=self._numbers)
        self._root = State(0, 0, self._composer)

    def play(self, shot: Shot, state: "State | None", choose: Choose | None) -> "tuple[Packet, State]":
        """Make the packet of a shot, of which `choose` picks what is sent; all without it.

        Its sequence and its time of capture are not the device's. Gives what the receiver holds then, which
        is to be given back with the next shot.
        """
        at = self._root if shot.begins or state is None else state
        play = at.plays.setdefault(shot, _Play())
        if choose is None:
            return play.outcomes.get(None) or self._composed(shot, at, play, None)
        if play.menu is None:
            return self._composed(shot, at, play, choose)
        plan = choose(play.menu)
        return play.outcomes.get(_names(plan)) or self._composed(shot, at, play, lambda _menu: plan)

    def _composed(
        self, shot: Shot, at: "State", play: _Play, choose: Choose | None
    ) -> "tuple[Packet, State]":
        plans = list[Plan]()

        def look(menu: Menu) -> Plan:
            play.menu = menu
            plans.append(choose(menu) if choose else Plan((), None))
            return plans[0]

        composer = copy(at.composer)
        composer.govern(look if choose else None)
        self._numbers.next = at.depth
        packet = composer.compose(replace(self.films.segment(shot), start_ms=at.end_ms))
        after = State(at.depth + 1, at.end_ms + shot.duration_ms, composer)
        play.outcomes[_names(plans[0]) if plans else None] = packet, after
        return packet, after


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What receivers hold that have got the same packets since the last one that built on nothing."""

    depth: int
    end_ms: int
    composer: Composer
    plays: dict[Shot, _Play] = field(default_factory=dict)


def _names(plan: Plan) -> _Names:
    return tuple(item.name for item in (*plan.parts, plan.picture) if item is not None)
