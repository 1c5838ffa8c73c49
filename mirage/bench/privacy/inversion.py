"""Turns codes into pictures again, and looks for people in them.

    Sight --setting--> tokens --decoders--> pictures --embeddings--> whose are they?

Of those whom the attacker looks for they have either photographs, or what the bundle, which they hold, makes
of photographs at the same setting: then both are blurred in the same way. The best of all combinations of
decoder, photographs and embedding is what a setting gives away.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.render.keyframes import KeyframeDecoder
from edge.appearance import AppearanceEncoder
from edge.privacy.coarsen import coarsened
from edge.privacy.masks import FILL
from edge.runtime import Runtime
from mirage.bench.privacy.embed import Faces, People, Person, Subject
from mirage.bench.privacy.matching import Rate, Seen, top_1
from mirage.bench.privacy.people import ALONE, Picture, Sight
from mirage.bench.privacy.settings import Setting
from mirage.bench.quality.statistics import Estimate, estimate
from wire.bundle import Bundle

SHIPPED, TRAINED = "shipped", "trained"
SIZES_PX = (
    128,
    64,
    48,
)  # of the squares to which sources are shrunk to see what the embeddings can do at most
PHOTOGRAPHS, ALIKE = "photographs", "same code"
_EVERYONE = "everyone"

Tokens = NDArray[np.uint8]  # (D, h, w)
Decode = Callable[[Tokens], Picture]  # of tokens as they are sent, planes left out


class Found(msgspec.Struct, frozen=True):
    """How often people were named rightly: by the best attack, and by each."""

    best: Rate
    by: str
    attacks: dict[str, Rate]


class Leak(msgspec.Struct, frozen=True):
    """What one setting gives away: whose faces of all, whose of those in one `room`, and which people.

    In one room a background tells nothing, so what is left of a redacted face is all that does.
    `likeness` is the cosine between the embeddings of faces and of their sources, by decoder.
    """

    setting: str
    faces: Found
    room: Found
    people: Found
    likeness: dict[str, Estimate]


class Hidden(msgspec.Struct, frozen=True):
    """How many faces redaction hid, and of how many."""

    hidden: int
    faces: int


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Someone in a frame, to be recognised; `scene` is among whom."""

    sight: Sight
    subject: Subject
    scene: str
    truth: dict[str, NDArray[np.float32]]  # the source's vectors


@dataclass(slots=True)
class Cast:
    """Everybody who is looked for."""

    faces: list[Target] = field(default_factory=list)
    people: list[Target] = field(default_factory=list)

    @classmethod
    def of(cls, sights: Sequence[Sight]) -> "Cast":
        """Find faces, and take those people whole whose scene has others in it."""
        faces, people, cast = Faces(), People(), cls()
        for sight in sights:
            face = faces.find(sight.source, sight.appearance)
            if face is not None:
                cast.faces.append(Target(sight, face, _EVERYONE, face.vectors(sight.source)))
            if sight.appearance.scene != ALONE:
                person = Person(people, sight.appearance.box)
                truth = person.vectors(sight.source)
                cast.people.append(Target(sight, person, sight.appearance.scene, truth))
        return Cast(_enrolled(cast.faces), _enrolled(cast.people))


class Inverter:
    """Encodes as a sender would and decodes as an attacker would."""

    def __init__(self, bundle: Bundle, others: Mapping[str, Decode] | None = None) -> None:
        self.encoder = AppearanceEncoder(bundle, Runtime(1))
        self.decoders: dict[str, Decode] = {SHIPPED: KeyframeDecoder(bundle, 1).decode, **(others or {})}

    def sent(self, sight: Sight, setting: Setting) -> Tokens:
        """Encode what a setting leaves of a frame; noise is the same for all that is made of one source."""
        shown = sight.redacted if setting.redacts else sight.camera
        chance = np.random.default_rng(zlib.crc32(sight.source.tobytes()))
        return self.encoder.encode(coarsened(shown, setting.sender, chance))[: setting.planes]

    def pictures(self, sight: Sight, setting: Setting) -> dict[str, Picture]:
        """Give what each decoder makes of it, at the size of the source."""
        tokens = self.sent(sight, setting)
        return {name: like(decode(tokens), sight.source) for name, decode in self.decoders.items()}


def attack(cast: Cast, sights: Sequence[Sight], inverter: Inverter, setting: Setting) -> Leak:
    """Attack one setting."""
    made = {id(sight): inverter.pictures(sight, setting) for sight in sights}
    ways = list(inverter.decoders)
    faces = {way: [each.subject.vectors(made[id(each.sight)][way]) for each in cast.faces] for way in ways}
    people = {way: [each.subject.vectors(made[id(each.sight)][way]) for each in cast.people] for way in ways}
    inside = [place for place, each in enumerate(cast.faces) if each.sight.appearance.scene != ALONE]
    return Leak(
        setting.name,
        found(cast.faces, faces),
        found(
            [roommate(cast.faces[place]) for place in inside],
            {way: [faces[way][place] for place in inside] for way in ways},
        ),
        found(cast.people, people),
        {way: _likeness(cast.faces, faces[way]) for way in ways},
    )


def roommate(target: Target) -> Target:
    """Look for somebody only among those of the same scene."""
    return replace(target, scene=target.sight.appearance.scene)


def controls(cast: Cast) -> dict[str, dict[str, Found]]:
    """Attack what was never encoded: sources, as they are and shrunk, and what redaction leaves of them."""
    shows: dict[str, Callable[[Sight], Picture]] = {"source": lambda sight: sight.source}
    for px in SIZES_PX:
        shows[f"source at {px} px"] = partial(_shrunk_source, px=px)
    shows["redacted, not encoded"] = lambda sight: like(sight.redacted, sight.source)
    rooms = [roommate(each) for each in cast.faces if each.sight.appearance.scene != ALONE]
    kinds = {"faces": cast.faces, "room": rooms, "people": cast.people}
    return {
        name: {
            kind: found(targets, {"": [each.subject.vectors(show(each.sight)) for each in targets]})
            for kind, targets in kinds.items()
        }
        for name, show in shows.items()
    }


def hidden_faces(cast: Cast) -> Hidden:
    """Count the faces of which redaction left nothing: every landmark is filled."""
    filled = [
        all(tuple(pixel) == (FILL,) * 3 for pixel in each.subject.points(each.sight.redacted))
        for each in cast.faces
    ]
    return Hidden(sum(filled), len(filled))


def found(
    targets: Sequence[Target], made: Mapping[str, Sequence[Mapping[str, NDArray[np.float32]]]]
) -> Found:
    """Name everyone who was not enrolled; `made` are vectors of what each decoder made of each target."""
    attacks = {name: top_1(known, seen) for name, (known, seen) in attempts(targets, made)}
    if not attacks:
        return Found(top_1((), ()), "", {})
    by = max(attacks, key=lambda name: attacks[name].rate)
    return Found(attacks[by], by, attacks)


def attempts(
    targets: Sequence[Target], made: Mapping[str, Sequence[Mapping[str, NDArray[np.float32]]]]
) -> Iterator[tuple[str, tuple[list[Seen], list[Seen]]]]:
    """Give every attack by its name: whom the attacker knows, and whom they see."""
    for decoder, vectors in made.items():
        for kind in targets[0].truth if targets else ():
            attacked = list(_seen(targets, [each[kind] for each in vectors], enrols=False))
            for way, known in ((PHOTOGRAPHS, [each.truth for each in targets]), (ALIKE, vectors)):
                enrolled = list(_seen(targets, [each[kind] for each in known], enrols=True))
                yield ", ".join(filter(None, (decoder, way, kind))), (enrolled, attacked)


def shrunk(picture: Picture, px: int) -> Picture:
    """Shrink to a square, as the encoder does, and enlarge again."""
    return like(np.asarray(cv2.resize(picture, (px, px), interpolation=cv2.INTER_AREA), np.uint8), picture)


def like(picture: Picture, source: Picture) -> Picture:
    """Give a picture the size of its source."""
    size = (source.shape[1], source.shape[0])
    smaller = size[1] < picture.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def _shrunk_source(sight: Sight, px: int) -> Picture:
    return shrunk(sight.source, px)


def _enrolled(targets: Sequence[Target]) -> list[Target]:
    """Leave out whoever was not enrolled."""
    known = {(each.scene, each.sight.appearance.person) for each in targets if each.sight.enrols}
    return [each for each in targets if (each.scene, each.sight.appearance.person) in known]


def _seen(
    targets: Sequence[Target], vectors: Sequence[NDArray[np.float32]], *, enrols: bool
) -> Iterator[Seen]:
    for target, vector in zip(targets, vectors, strict=True):
        if target.sight.enrols == enrols:
            yield Seen(vector, target.sight.appearance.person, target.scene, target.sight.group)


def _likeness(targets: Sequence[Target], vectors: Sequence[Mapping[str, NDArray[np.float32]]]) -> Estimate:
    pairs = [
        (float(made["dlib"] @ target.truth["dlib"]), target.sight.group)
        for target, made in zip(targets, vectors, strict=True)
        if not target.sight.enrols
    ]
    mean = estimate([cosine for cosine, _ in pairs], [group for _, group in pairs])
    return mean or Estimate(0.0, -1.0, 1.0, 0)
