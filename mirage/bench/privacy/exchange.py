"""What a face itself gives away: the same clips, with another person's face put there before redaction.

    clip --as it is ----------------> detectors, redactor --> code --> decoders --> named?
    clip --another's face on theirs --> (the same) --------------------------------> named as often?

People are recognised by clothes and build, too: those are the same in both, and no difference. Detectors look
at what was exchanged, so a box that follows the form of a face would be one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from mirage.bench.privacy.embed import commonest
from mirage.bench.privacy.inversion import Cast, Inverter, Target, attempts, roommate
from mirage.bench.privacy.matching import Rate, Seen, answers, top_1
from mirage.bench.privacy.people import ALONE, Appearance, Picture, Reader, Sight
from mirage.bench.privacy.settings import Setting
from mirage.bench.privacy.swaps import Find, part, with_face
from mirage.bench.quality.statistics import Estimate, estimate
from mirage.errors import InputError

EXCHANGED = ("private", "balanced", "private, faces kept")  # settings


class Exchanged(msgspec.Struct, frozen=True):
    """How often people of one room are named rightly by the attack that does best with their own faces.

    own, other   with their own face, and with another's
    difference   of the two, frame by frame, with the 95 % interval of a bootstrap over people and clips
    differing    codes that differ, of as many
    """

    setting: str
    own: Rate
    other: Rate
    by: str
    difference: Estimate
    differing: int


class Stranger:
    """Puts somebody else's face on a person, frame by frame; where theirs is not found, where it was last."""

    def __init__(self, find: Find, whom: Appearance, face: Picture) -> None:
        self._find, self._whom, self._face = find, whom, face
        self._box: NDArray[np.float64] | None = None

    def __call__(self, picture: Picture) -> Picture:
        """Give a picture in which nothing is changed outside of the box."""
        box = commonest(self._find(picture), self._whom)
        self._box = self._box if box is None else box
        return picture if self._box is None else with_face(picture, self._box, self._face)


def strangers(cast: Cast, reader: Reader, find: Find, found: Sequence[Appearance]) -> Iterator[Sight]:
    """Read frames of those who are attacked in a room with the next person's face.

    Raises CameraError, and InputError where somebody is alone in a room.
    """
    rooms = [each.sight for each in cast.faces if each.sight.appearance.scene != ALONE]
    whom = dict.fromkeys(each.appearance for each in rooms if not each.enrols)
    changes = {each: Stranger(find, each, _face_of_another(each, rooms, find)) for each in whom}
    return reader.changed(found, changes)


def exchanged(cast: Cast, changed: Sequence[Sight], inverter: Inverter, setting: Setting) -> Exchanged:
    """Attack a setting twice. Raises ValueError where nobody's face was exchanged."""
    own, other = list[Target](), list[Target]()
    for each in cast.faces:
        if each.sight.appearance.scene == ALONE:
            continue
        sight = each.sight if each.sight.enrols else _of(each.sight, changed)
        if sight is not None:
            own.append(roommate(each))
            other.append(replace(roommate(each), sight=sight))
    attacks = dict(_attempts(own, inverter, setting))
    by = max(attacks, key=lambda name: top_1(*attacks[name]).rate, default="")
    known, seen = attacks.get(by, ([], []))
    _, seen_other = dict(_attempts(other, inverter, setting)).get(by, ([], []))
    differences = [a - b for a, b in zip(answers(known, seen), answers(known, seen_other), strict=True)]
    difference = estimate(differences, [each.group for each in seen])
    if difference is None:
        raise ValueError("nobody in a room has a face that was exchanged")
    differing = sum(
        not np.array_equal(inverter.sent(one.sight, setting), inverter.sent(two.sight, setting))
        for one, two in zip(own, other, strict=True)
    )
    return Exchanged(setting.name, top_1(known, seen), top_1(known, seen_other), by, difference, differing)


def _attempts(
    targets: Sequence[Target], inverter: Inverter, setting: Setting
) -> Iterator[tuple[str, tuple[list[Seen], list[Seen]]]]:
    pictures = [inverter.pictures(each.sight, setting) for each in targets]
    made = {
        way: [each.subject.vectors(drawn[way]) for each, drawn in zip(targets, pictures, strict=True)]
        for way in inverter.decoders
    }
    return attempts(targets, made)


def _of(sight: Sight, changed: Sequence[Sight]) -> Sight | None:
    """Find the same frame among those that were changed."""
    for each in changed:
        if each.appearance == sight.appearance and np.array_equal(each.source, sight.source):
            return each
    return None


def _face_of_another(whom: Appearance, rooms: Sequence[Sight], find: Find) -> Picture:
    """Cut out the face of the next person of the scene who has one. Raises InputError where nobody has."""
    scene = [each for each in rooms if each.appearance.scene == whom.scene]
    names = list(dict.fromkeys(each.appearance.person for each in scene))
    place = names.index(whom.person)
    for name in (*names[place + 1 :], *names[:place]):
        for sight in (each for each in scene if each.appearance.person == name):
            box = commonest(find(sight.source), sight.appearance)
            if box is not None:
                return part(sight.source, box)
    raise InputError(f"{whom.person} is the only one of {whom.scene} with a face: there is none to exchange")
