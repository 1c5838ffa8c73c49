"""`mirage bench tradeoff`: bytes against meaning against privacy, so that a sender can choose."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from mirage.bench.privacy.missing import missing_packages as missing_of_privacy
from mirage.bench.privacy.run import Request as Attack
from mirage.bench.privacy.run import run as attack
from mirage.bench.privacy.settings import Setting, captions_only, settings
from mirage.bench.quality.clips import select
from mirage.bench.quality.missing import missing_packages
from mirage.bench.report import Gate, Report, to_json
from mirage.bench.tradeoff.fidelity import Fidelity, Scale
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.progress import steps_shown
from wire.bundle import Bundle

_PRIVATE, _FAITHFUL = "private", "faithful"


class Named(msgspec.Struct, frozen=True):
    """How often people were named rightly, with its 95 % interval and what guessing gives."""

    rate: float
    low: float
    high: float
    chance: float


class Point(msgspec.Struct, frozen=True):
    """One setting: what it costs, what it says and what it gives away; `faces` are those in one room."""

    fidelity: Fidelity
    faces: Named | None
    people: Named | None


@dataclass(frozen=True, slots=True)
class Request:
    """What to weigh. `privacy` is a report of `mirage bench privacy --json`; without it, that runs first."""

    attack: Attack
    privacy: Path | None = None
    seconds: float = 8.0
    segments: int = 40


def run(request: Request) -> tuple[Report, tuple[Point, ...]]:
    """Weigh every setting. Raises InputError, BundleError, CameraError and DetectorError."""
    parts = [] if request.privacy else ["people"]
    if missing := missing_packages(["stills", "captions"]) or missing_of_privacy(parts):
        raise InputError(missing)
    bundle = Bundle.load(bundle_folder(request.attack.bundle))
    info = bundle.manifest.appearance
    if info is None:
        raise InputError(f"{bundle.root}: bundle {bundle.manifest.name} has no appearance code to weigh")
    named = _named(request)
    weighed = _weighed(request, bundle, [captions_only(), *settings(info)])
    points = tuple(Point(each, *named.get(each.setting, (None, None))) for each in weighed)
    results = {
        "settings": {"seconds_of_each_clip": request.seconds, "load_average": os.getloadavg()[0]},
        "points": msgspec.to_builtins(points),
    }
    return Report("tradeoff", gates(points), results), points


def gates(points: Sequence[Point]) -> tuple[Gate, ...]:
    """Ask of the presets that each is worth its name."""
    found = {point.fidelity.setting: point for point in points}
    private, faithful = found[_PRIVATE], found[_FAITHFUL]
    made = [
        Gate.at_most(
            "private_bytes", private.fidelity.bytes_per_s, "B/s, sealed", faithful.fidelity.bytes_per_s
        )
    ]
    if private.faces is not None and faithful.faces is not None:
        made.append(Gate.at_most("private_faces", private.faces.rate, "named rightly", faithful.faces.rate))
    if private.fidelity.picture is not None and faithful.fidelity.picture is not None:
        least = private.fidelity.picture.mean
        made.append(Gate.at_least("faithful_picture", faithful.fidelity.picture.mean, "cosine", least))
    return tuple(made)


def _weighed(request: Request, bundle: Bundle, chosen: Sequence[Setting]) -> list[Fidelity]:
    from export.judges.features import Panel
    from export.judges.text import Sentences

    clips = select(request.attack.folder(), demo=False).clips
    scale = Scale(bundle, Panel(), Sentences())
    understood = list(islice(scale.understand(clips, request.seconds), request.segments))
    if not understood:
        raise InputError(f"{request.attack.folder()}: no clip has a segment that captions.jsonl describes")
    weighed = list[Fidelity]()
    with steps_shown("settings", len(chosen)) as done:
        for setting in chosen:
            weighed.append(scale.weigh(understood, setting))
            done()
    return weighed


class _Found(msgspec.Struct, frozen=True):
    best: Named


class _Leak(msgspec.Struct, frozen=True):
    setting: str
    room: _Found
    people: _Found


class _Results(msgspec.Struct, frozen=True):
    leaks: tuple[_Leak, ...]


class _Printed(msgspec.Struct, frozen=True):
    """What is needed of a report of `mirage bench privacy --json`."""

    results: _Results


def _named(request: Request) -> Mapping[str, tuple[Named, Named]]:
    if request.privacy is None:
        report, _, _ = attack(request.attack)
        printed = to_json(report)
    else:
        printed = request.privacy.read_bytes()
    try:
        leaks = msgspec.json.decode(printed, type=_Printed).results.leaks
    except msgspec.DecodeError as error:
        raise InputError(
            f"{request.privacy}: not a report of `mirage bench privacy --json`: {error}"
        ) from error
    return {each.setting: (each.room.best, each.people.best) for each in leaks}
