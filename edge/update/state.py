"""What the updater is at: one file, replaced at each step, so that a cut leaves it before a step or after it.

    none -> fetching -> installing -> trying -> committing -> none, "committed"
              |             |           '-----> undoing ----> none, "rolled back"
              '-------------'--------------------------------> none, "failed"

Trying is bounded by starts and by seconds that were waited, not by a wall clock, which may be wrong.
"""

from pathlib import Path
from typing import Literal

import msgspec
import structlog
from msgspec import Struct

from edge.identity_files import write_durably
from edge.update.wishes import Kind

STATE = "state.json"
MAX_BYTES = 65_536

Step = Literal["fetching", "installing", "trying", "committing", "undoing"]
Result = Literal["committed", "rolled back", "failed"]

log = structlog.get_logger()


class Work(Struct, frozen=True, omit_defaults=True):
    """One order, as far as it has come.

    `place` is the folder that it gets; `spent` are bytes of the link, some of them counted before they flow,
    `size` those of the pack, which is called by its SHA-256. Of the trial: its name, how often the version
    was started, for how long it was waited for, and in which boot of the kernel it was started last.
    """

    kind: Kind
    id: str
    order: str
    step: Step = "fetching"
    place: str = ""
    name: str = ""
    version: str = ""
    pack: str = ""
    size: int = 0
    spent: int = 0
    trial: str = ""
    starts: int = 0
    waited_s: float = 0.0
    launched: str = ""
    why: str = ""


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What became of the last order of a kind."""

    id: str
    order: str
    result: Result
    why: str = ""
    spent: int = 0


class State(Struct, frozen=True, omit_defaults=True):
    """Everything. `ready`: trees that are whole, by their place; `floors`: the newest version that was kept.

    `last` is the kind whose outcome is the newest.
    """

    work: Work | None = None
    outcomes: dict[Kind, Outcome] = {}
    ready: dict[str, str] = {}
    floors: dict[str, str] = {}
    last: Kind | None = None
    schema: Literal[1] = 1


def read(folder: Path) -> State:
    """Read the state; what cannot be read is as none: nothing is being tried, so what is committed runs."""
    path = folder / STATE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("the state of updates is not readable, and begun anew", path=str(path), reason=str(error))
        return State()


def write(folder: Path, state: State) -> None:
    """Replace the state, durably. Raises OSError."""
    write_durably(folder / STATE, msgspec.json.encode(state), 0o644)


def told(state: State, folder: Path) -> str:
    """Say what the updater is at, in a few words, as `ping` answers."""
    work = state.work
    if work is not None:
        return _progress(work, folder)
    outcome = None if state.last is None else state.outcomes.get(state.last)
    if outcome is None:
        return "none"
    why = f": {outcome.why}" if outcome.why else ""
    return f"{outcome.result} {outcome.id[:8]}{why}"


def part_of(folder: Path, release: str, pack: str) -> Path:
    """Say where a pack of a release is gathered."""
    return folder / f"{release}-{pack[:16]}.part"


def _progress(work: Work, folder: Path) -> str:
    if work.step != "fetching":
        return {"installing": "installing", "undoing": "rolling back"}.get(work.step, "trying")
    try:
        have = part_of(folder, work.id, work.pack).stat().st_size
    except OSError:
        have = 0
    return f"fetching {min(100 * have // work.size, 100) if work.size else 0}%"
