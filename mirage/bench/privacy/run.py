"""`mirage bench privacy`: which parts run, and what comes of them.

people --> attacker (trained once, kept) --> faces, people at each setting
       --> zones: what is recovered of them
footage --> captions: forbidden words
"""

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from edge.appearance import AppearanceEncoder
from edge.privacy.detectors import CenterFace
from edge.runtime import Runtime
from export.data import footage
from mirage.bench.privacy import captions, zones
from mirage.bench.privacy.captions import Words
from mirage.bench.privacy.exchange import EXCHANGED, Exchanged, exchanged, strangers
from mirage.bench.privacy.gates import gates
from mirage.bench.privacy.inversion import (
    SHIPPED,
    TRAINED,
    Cast,
    Decode,
    Found,
    Hidden,
    Inverter,
    Leak,
    attack,
    controls,
    hidden_faces,
)
from mirage.bench.privacy.kept import Frames, Journal
from mirage.bench.privacy.missing import missing_packages
from mirage.bench.privacy.people import ALONE, FRAMES, SHORT_PX, Picture, Reader, Sight, appearances, attacked
from mirage.bench.privacy.settings import Setting, settings
from mirage.bench.privacy.swaps import Swapped, swapped
from mirage.bench.privacy.zones import Recovered
from mirage.bench.report import Report
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.progress import steps_shown
from wire.bundle import AppearanceInfo, Bundle

PARTS = ("people", "zones", "captions")
_ZONE_PX = (284, 160)  # as cameras of 16:9 are seen
_TRAIN_MINUTES = 30.0
_COLUMNS = 4
_NEIGHBOUR = Path(__file__).resolve().parents[4] / "shared" / "footage"
_SHOWN = ("private", "balanced", "faithful")


@dataclass(frozen=True, slots=True)
class Request:
    """What to attack. `work` keeps what was done, so that a run that was stopped can go on.

    Without `train_minutes`, the attacker's decoder is the one that comes with the benchmark, where that was
    trained for this bundle; with 0 there is none.
    """

    bundle: Path | None = None
    footage: Path | None = None
    listed: Path | None = None
    only: tuple[str, ...] = ()
    train_minutes: float | None = None
    frames: int = FRAMES
    captions: int = 10_000
    zones: int = 240
    work: Path = Path("work/privacy")

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in PARTS:
                raise InputError(f"--only {name}: no such part, there are {', '.join(PARTS)}")

    def wants(self, *parts: str) -> bool:
        """Tell whether any of these parts is to run."""
        return not self.only or any(part in self.only for part in parts)

    def folder(self) -> Path:
        """Where the footage is. Raises InputError where there is none."""
        found = self.footage or _NEIGHBOUR
        if not found.is_dir():
            raise InputError(
                f"{found}: not a folder; give --footage DIR, with clips of people and a people.tsv that says "
                "who is where (docs/privacy.md)"
            )
        return found


class Measured(msgspec.Struct, frozen=True):
    """Everything that was measured; None for parts that did not run."""

    controls: dict[str, dict[str, Found]] | None = None
    leaks: tuple[Leak, ...] = ()
    identities: dict[str, int] = {}
    redacted: Hidden | None = None
    swaps: Swapped | None = None
    exchanged: tuple[Exchanged, ...] = ()
    attacker: str | None = None
    zones: dict[str, Recovered] | None = None
    captions: Words | None = None


@dataclass(slots=True)
class Shown:
    """Pictures to look at: setting -> name of what it is -> pictures."""

    rows: dict[str, dict[str, list[Picture]]] = field(default_factory=dict)


def run(request: Request) -> tuple[Report, Measured, Shown]:
    """Attack. Raises InputError, BundleError, CameraError and DetectorError."""
    if missing := missing_packages([part for part in PARTS if request.wants(part)]):
        raise InputError(missing)
    bundle, shown = Bundle.load(bundle_folder(request.bundle)), Shown()
    info = bundle.manifest.appearance
    if info is None:
        raise InputError(f"{bundle.root}: bundle {bundle.manifest.name} has no appearance code to invert")
    measured = Measured()
    if request.wants("people", "zones"):
        measured = _pictures(request, bundle, info, shown)
    if request.wants("captions"):
        journal = request.work / f"captions-{bundle.sha256[:12]}.jsonl"
        said = captions.run(bundle, request.folder(), request.captions, journal)
        measured = replace(measured, captions=said)
    results = {
        "settings": {
            "footage": request.folder().name,
            "frames_of_each_appearance": request.frames,
            "load_average": os.getloadavg()[0],
        },
        **msgspec.to_builtins(measured),
    }
    return Report("privacy", gates(measured), results), measured, shown


def attackers(request: Request, bundle: Bundle) -> tuple[dict[str, Decode], str]:
    """Give the decoder that was trained for the attack, and which one it is; none for no minutes."""
    from mirage.bench.privacy import attacker

    minutes = request.train_minutes
    if minutes == 0:
        return {}, "none"
    restorer = attacker.shipped(bundle) if minutes is None else None
    kind = f"as-shipped-{zlib.crc32(attacker.SHIPPED_WEIGHTS.read_bytes()):08x}"
    if restorer is None:
        minutes = _TRAIN_MINUTES if minutes is None else minutes
        kind = f"{minutes:g}-minutes"
        checkpoint = request.work / f"attacker-{bundle.sha256[:12]}-{kind}.pt"
        excluded = attacked(appearances(request.folder(), request.listed))
        restorer = attacker.trained(bundle, request.folder(), excluded, minutes, checkpoint)
    return {TRAINED: attacker.Attacker(bundle, restorer).decode}, kind


def _pictures(request: Request, bundle: Bundle, info: AppearanceInfo, shown: Shown) -> Measured:
    others, kind = attackers(request, bundle)
    inverter, measured = Inverter(bundle, others), Measured()
    if request.wants("people"):
        sights = _sights(request, bundle)
        journal = Journal(request.work / f"leaks-{bundle.sha256[:12]}-{request.frames}-{kind}.jsonl", Leak)
        measured = _people(sights, inverter, settings(info), journal)
        measured = replace(measured, exchanged=_exchanged(request, bundle, sights, inverter, settings(info)))
        shown.rows = {
            setting.name: _examples(sights, inverter, setting)
            for setting in settings(info)
            if setting.name in _SHOWN
        }
    if request.wants("zones"):
        measured = replace(measured, zones=_zones(request, bundle, inverter))
    return replace(measured, attacker=kind)


def _sights(request: Request, bundle: Bundle) -> list[Sight]:
    """Read frames, or take those that were kept."""
    found = appearances(request.folder(), request.listed)
    frames = Frames(request.work, found, request.frames, bundle.sha256)
    sights = frames.read()
    if sights is None:
        sights = _read("frames", Reader(bundle, request.frames).sights(found))
        frames.keep(sights)
    return sights


def _read(what: str, sights: Iterable[Sight]) -> list[Sight]:
    made = list[Sight]()
    with steps_shown(what, None) as done:
        for sight in sights:
            made.append(sight)
            done()
    return made


def _people(
    sights: Sequence[Sight], inverter: Inverter, chosen: Sequence[Setting], journal: Journal[Leak]
) -> Measured:
    cast = Cast.of(sights)
    known = {leak.setting: leak for leak in journal.read()}
    with steps_shown("settings", len(chosen)) as done:
        for setting in chosen:
            if setting.name not in known:
                known[setting.name] = attack(cast, sights, inverter, setting)
                journal.add(known[setting.name])
            done()
    return Measured(
        controls=controls(cast),
        redacted=hidden_faces(cast),
        swaps=swapped(
            [each.sight for each in cast.faces], CenterFace(Runtime(1)).find, inverter.encoder.encode
        ),
        leaks=tuple(known[setting.name] for setting in chosen),
        identities={
            "faces": len({each.sight.appearance.person for each in cast.faces}),
            "people": len({each.sight.appearance.person for each in cast.people}),
        },
    )


def _exchanged(
    request: Request,
    bundle: Bundle,
    sights: Sequence[Sight],
    inverter: Inverter,
    chosen: Sequence[Setting],
) -> tuple[Exchanged, ...]:
    """Exchange faces before redaction, and attack again; frames are kept."""
    cast, found = Cast.of(sights), appearances(request.folder(), request.listed)
    if all(each.sight.appearance.scene == ALONE for each in cast.faces):
        return ()
    frames = Frames(request.work, found, request.frames, bundle.sha256, "exchanged")
    changed = frames.read()
    if changed is None:
        reader, find = Reader(bundle, request.frames), CenterFace(Runtime(1)).find
        changed = _read("exchanged faces", strangers(cast, reader, find, found))
        frames.keep(changed)
    return tuple(exchanged(cast, changed, inverter, each) for each in chosen if each.name in EXCHANGED)


def _zones(request: Request, bundle: Bundle, inverter: Inverter) -> dict[str, Recovered]:
    """Hide zones in one frame of each source of clips, all of them at one size."""
    firsts = {footage.source_of(clip): clip for clip in reversed(footage.clips(request.folder()))}
    frames = [next(footage.read_frames(clip, SHORT_PX, 1.0))[1] for clip in firsts.values()]
    pictures = [zones.sized(each, _ZONE_PX) for each in frames]
    encoder = AppearanceEncoder(bundle, Runtime(1))
    recovered = dict[str, Recovered]()
    for name, decode in inverter.decoders.items():
        with steps_shown(f"zones, {name}", request.zones) as done:
            recovered[name] = zones.recover(pictures, encoder, decode, zones.pixels, request.zones, done)
    return recovered


def _examples(sights: Sequence[Sight], inverter: Inverter, setting: Setting) -> dict[str, list[Picture]]:
    """Give frames of some people who share a scene with others, and what decoders make of them."""
    people = {
        each.appearance.person: each for each in sights if not each.enrols and each.appearance.scene != ALONE
    }
    places = np.linspace(0, len(people) - 1, min(_COLUMNS, len(people))).round().astype(int)
    some = [list(people.values())[place] for place in places]
    rows: dict[str, list[Picture]] = {"source": [each.source for each in some]}
    for each in some:
        for name, picture in inverter.pictures(each, setting).items():
            rows.setdefault(name, []).append(picture)
    return rows


__all__ = ["PARTS", "SHIPPED", "Measured", "Request", "Shown", "attackers", "run"]
