"""What a device's update is at, from what was seen and heard of it. Pure: no clock, no store.

    waiting --ask--> asked --accepted--> fetching --its birth, or it, says so--> trying --> committed
       ^---- no answer --'--- refused --.   '-- nothing comes of it --> waiting    |'--> failed: rolled back
                                        '--> failed                                '--> silent: nothing heard

A device that is away is left as it is. One that is asked nothing while it tries tells by its birth what it
runs, so few pings are needed: each costs the device some 300 bytes. What was silent may speak up later.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from wire.documents import Value

Kind = Literal["agent", "bundle"]
State = Literal["waiting", "asked", "fetching", "trying", "committed", "failed", "silent"]
Verb = Literal["ping", "set-release", "set-bundle"]

FAILURES: frozenset[State] = frozenset({"failed", "silent"})
FINAL: frozenset[State] = FAILURES | {"committed"}
IN_HAND: frozenset[State] = frozenset({"asked", "fetching", "trying"})
_SHORT = 8  # characters of an id in a birth
# In refusals (edge/update/desk.py): it runs, or something is being tried, this or another version.
_ALREADY, _BUSY = "runs already", "is being tried"
_BUSY_MS = 60_000
_STARTED = "has started"  # why a device is trying, from when on its time counts
_OUTCOME = re.compile(r"(?P<result>committed|rolled back|failed) (?P<id>[0-9a-f]{8,16})\b")
_TRYING = frozenset({"trying", "rolling back"})


@dataclass(frozen=True, slots=True)
class Goal:
    """What a device is to run. `sha256` (16 characters) is what a birth says of a bundle, "" if not known."""

    kind: Kind
    id: str
    sha256: str = ""

    @property
    def verb(self) -> Verb:
        return "set-release" if self.kind == "agent" else "set-bundle"

    @property
    def arguments(self) -> dict[str, Value]:
        return {"release" if self.kind == "agent" else "bundle": self.id}


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is looked and asked. A device has `margin_ms` more than its own time to become healthy."""

    look_s: float = 2.0
    answer_ms: int = 60_000
    first_ms: int = 15_000
    most_ms: int = 600_000
    margin_ms: int = 300_000
    idle_ms: int = 600_000  # a device that accepted and begins nothing in this time is asked again
    most_asks: int = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the command that is out: `text` is its refusal, or what the update is at."""

    outcome: Literal["pending", "none", "refused", "told"]
    text: str = ""
    release: str = ""
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A device, as its birth, its state and its answer say. `heard_ms` is when anything came of it last."""

    is_here: bool
    software: str = ""
    bundle_sha256: str = ""
    heard_ms: int = 0
    answer: Answer | None = None

    def runs(self, goal: Goal) -> bool:
        """Tell whether the birth, or the answer, says that this runs."""
        said = (
            ""
            if self.answer is None
            else getattr(self.answer, "release" if goal.kind == "agent" else "bundle")
        )
        if said and said in (goal.id, goal.sha256):
            return True
        if goal.kind == "agent":
            return self.software.endswith(f" {goal.id[:_SHORT]}")
        return bool(goal.sha256) and self.bundle_sha256 == goal.sha256


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a device is with one goal; `due_ms` is when it may be asked again."""

    state: State = "waiting"
    since_ms: int = 0
    due_ms: int = 0
    asks: int = 0
    told: str = ""
    why: str = ""

    def to(self, state: State, now_ms: int, *, why: str = "", after_ms: int = 0) -> "Standing":
        """Go over into another state."""
        return replace(self, state=state, since_ms=now_ms, due_ms=now_ms + after_ms, why=why)


@dataclass(frozen=True, slots=True)
class Move:
    """What is next: the standing, and what the device is asked now, if anything."""

    standing: Standing
    ask: Verb | None = None


def judge(now: Standing, seen: Seen, goal: Goal, now_ms: int, health_ms: int, pace: Pace) -> Move:
    """Give what is next for a device; one that is waiting is asked as soon as it is there."""
    if now.state == "waiting":
        return _begun(now, seen, goal, now_ms, pace)
    after = _heard(now, seen, goal, now_ms, pace)
    if now.state == "asked":  # what is said to that is what it was asked for, not what runs
        seen = replace(seen, answer=None)
    if seen.runs(goal) and (after.state == "fetching" or (after.state == "trying" and after.why != _STARTED)):
        after = after.to("trying", now_ms, why=_STARTED, after_ms=pace.first_ms)
    if after.state == "trying" and now_ms > after.since_ms + health_ms + pace.margin_ms:
        after = _overdue(after, seen, goal, now_ms, health_ms)
    if after.state == "fetching" and _is_idle(after, now_ms, pace):
        after = _again(after, now_ms, pace, "it accepted, and began nothing")
    pending = seen.answer is not None and seen.answer.outcome == "pending"
    if (
        pending
        or not seen.is_here
        or now_ms < after.due_ms
        or after.state not in ("fetching", "trying", "silent")
    ):
        return Move(after)
    rest_ms = max(2 * (now_ms - after.since_ms), pace.first_ms)
    if after.state != "silent":
        most_ms = min(pace.most_ms, health_ms // 4) if after.state == "trying" else pace.most_ms
        rest_ms = min(rest_ms, max(most_ms, pace.first_ms))
    return Move(replace(after, due_ms=now_ms + rest_ms), "ping")


def _begun(now: Standing, seen: Seen, goal: Goal, now_ms: int, pace: Pace) -> Move:
    if not seen.is_here or now_ms < now.due_ms:
        return Move(now)
    if seen.runs(goal):  # it may have been told so before; whether for good, it has to say
        return Move(now.to("trying", now_ms, why=_STARTED, after_ms=pace.first_ms), "ping")
    asked = replace(now.to("asked", now_ms), asks=now.asks + 1)
    return Move(asked, goal.verb)


def _heard(now: Standing, seen: Seen, goal: Goal, now_ms: int, pace: Pace) -> Standing:
    """Take the device's answer to what it was asked."""
    answer = seen.answer
    if now.state == "asked":
        if answer is None or answer.outcome == "none":
            return replace(
                now.to("waiting", now_ms, why="no answer", after_ms=pace.first_ms), asks=now.asks - 1
            )
        if answer.outcome == "refused":
            return _refused(now, answer.text, goal, now_ms, pace)
        if answer.outcome == "pending":
            return now
        return now.to("fetching", now_ms, after_ms=pace.first_ms)
    if answer is None or answer.outcome != "told":
        return now
    return _updated(now, seen, answer.text, goal, now_ms, pace)


def _refused(now: Standing, why: str, goal: Goal, now_ms: int, pace: Pace) -> Standing:
    """Ask again in a minute, a few times: a device that has just come back may refuse what is for later."""
    if _ALREADY in why or (_BUSY in why and goal.id in why):
        return now.to("fetching", now_ms)  # a ping tells what comes of it
    if _BUSY in why:
        return replace(now.to("waiting", now_ms, why=why, after_ms=_BUSY_MS), asks=now.asks - 1)
    if now.asks < pace.most_asks:
        return now.to("waiting", now_ms, why=f"refused: {why}", after_ms=_BUSY_MS)
    return now.to("failed", now_ms, why=f"refused: {why}")


def _updated(now: Standing, seen: Seen, said: str, goal: Goal, now_ms: int, pace: Pace) -> Standing:
    """Take what the device says of its update (edge/update/state.py)."""
    told = replace(now, told=said)
    outcome = _OUTCOME.match(said)
    about = outcome is not None and goal.id.startswith(outcome["id"])
    if outcome is not None and about and outcome["result"] != "committed":
        # What it said before it was asked once more is no news, for as long as it may not have begun.
        if now.state == "fetching" and said == now.told and now_ms < now.since_ms + pace.idle_ms:
            return now
        return told.to("failed", now_ms, why=said)
    if about or ((said == "none" or outcome is not None) and seen.runs(goal)):
        return told.to("committed", now_ms)
    if said in _TRYING and now.state != "trying":
        return told.to("trying", now_ms, after_ms=pace.first_ms)
    if said != now.told and _is_working(said):
        return replace(told, since_ms=now_ms)  # it moves
    return told


def _is_working(said: str) -> bool:
    return said == "installing" or said.startswith("fetching ")


def _overdue(now: Standing, seen: Seen, goal: Goal, now_ms: int, health_ms: int) -> Standing:
    """Judge a device whose time is over and that has not said what came of it."""
    if seen.runs(goal) and seen.is_here and seen.heard_ms > now.since_ms + health_ms:
        return now.to("committed", now_ms, why="it is heard, with its time to roll back over")
    if seen.is_here and not seen.runs(goal) and now.told in _TRYING:
        return now  # engines are built before it is started, which may take hours
    if seen.is_here and not seen.runs(goal):
        return now.to(
            "failed", now_ms, why=f"it runs {seen.software if goal.kind == 'agent' else seen.bundle_sha256}"
        )
    return now.to("silent", now_ms, why="said nothing in the time that it had")


def _is_idle(now: Standing, now_ms: int, pace: Pace) -> bool:
    return not _is_working(now.told) and now_ms > now.since_ms + pace.idle_ms


def _again(now: Standing, now_ms: int, pace: Pace, why: str) -> Standing:
    if now.asks >= pace.most_asks:
        return now.to("failed", now_ms, why=f"{why}, {now.asks} times")
    return now.to("waiting", now_ms, why=why)
