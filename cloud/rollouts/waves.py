"""Which wave a rollout has reached, and whether it goes on. Pure.

A wave begins when nothing is in hand in those before it, and something has committed in each: devices that
are away hold nothing up, but a wave of which nobody was there has shown nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cloud.rollouts.judge import FAILURES, IN_HAND, State


@dataclass(frozen=True, slots=True)
class Member:
    """A device as its wave sees it; `is_gone` says that it has been away for longer than an update takes."""

    wave: int
    state: State
    is_here: bool = True
    is_gone: bool = False
    excused: bool = False


@dataclass(slots=True)
class Tally:
    """What the devices of a wave are at."""

    committed: int = 0
    failed: int = 0
    excused: int = 0
    in_hand: int = 0
    waiting: int = 0  # and there
    away: int = 0

    def add(self, member: Member, count: int = 1) -> None:
        """Count a device."""
        if member.state == "committed":
            self.committed += count
        elif member.state in FAILURES:
            self.failed += count
            self.excused += count if member.excused else 0
        elif member.is_gone or (member.state == "waiting" and not member.is_here):
            self.away += count
        elif member.state in IN_HAND:
            self.in_hand += count
        else:
            self.waiting += count

    @property
    def total(self) -> int:
        return self.committed + self.failed + self.in_hand + self.waiting + self.away

    @property
    def left(self) -> int:
        """Devices that are not done."""
        return self.in_hand + self.waiting + self.away

    @property
    def has_shown(self) -> bool:
        """Tell whether somebody has committed, or a person has looked at who failed."""
        return self.committed > 0 or self.excused > 0 or not self.total

    @property
    def lets_pass(self) -> bool:
        return self.has_shown and not self.in_hand and not self.waiting


Outcome = Literal["running", "halted", "finished"]


@dataclass(frozen=True, slots=True)
class Reached:
    """The last wave that has begun, what becomes of the rollout, and what it waits for or halted at."""

    wave: int
    outcome: Outcome
    why: str = ""
    tallies: Sequence[Tally] = field(default_factory=tuple)


def tally(waves: int, members: Iterable[tuple[Member, int]]) -> list[Tally]:
    """Count devices by wave; members come with how many are like that."""
    tallies = [Tally() for _ in range(waves)]
    for member, count in members:
        tallies[member.wave].add(member, count)
    return tallies


def reached(names: Sequence[str], tallies: Sequence[Tally], halt_after: int) -> Reached:
    """Say how far the rollout is."""
    failed = sum(each.failed - each.excused for each in tallies)
    wave = _open(tallies)
    here = tallies[wave]
    if failed >= halt_after:
        return Reached(wave, "halted", f"{failed} failed, {halt_after} are enough to halt", tallies)
    if here.failed and not here.left and not here.has_shown:
        return Reached(wave, "halted", f"all of wave {names[wave]} failed", tallies)
    if not any(each.left for each in tallies):
        return Reached(wave, "finished", "", tallies)
    return Reached(wave, "running", _waits(names, tallies, wave), tallies)


def _open(tallies: Sequence[Tally]) -> int:
    for index, each in enumerate(tallies):
        if not each.lets_pass:
            return index
    return len(tallies) - 1


def _waits(names: Sequence[str], tallies: Sequence[Tally], wave: int) -> str:
    here, away = tallies[wave], sum(each.away for each in tallies)
    if here.in_hand or here.waiting:
        return f"wave {names[wave]}: {here.in_hand + here.waiting} to go"
    if not here.has_shown and wave + 1 < len(tallies):
        return f"nobody of wave {names[wave]} is there yet, so that no other wave begins"
    return f"{away} away"
