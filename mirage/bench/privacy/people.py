"""Who is where in the footage: written by eye, so that a match can be right or wrong.

    people.tsv      clip, start_s, end_s, left, top, right, bottom (shares), person, scene

A person's first clip is for enrolment, the others are attacked; of one who is in a single clip, the first
third of the time is, and the last half. `scene` names what several people stand before: among those a
background tells nothing. "-" is a scene of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.camera import SAMPLE_FPS, FileCamera, open_camera
from edge.capture import Sampler
from edge.frame import Frame
from edge.pipeline import short_side_px
from edge.privacy.camera import RedactedCamera
from edge.privacy.detectors import LOOK_PX
from edge.privacy.guard import Guard
from edge.privacy.redactor import AHEAD, HOLD_MS
from export.data import footage
from mirage.bench.quality.clips import demo_paths
from mirage.errors import InputError
from wire.bundle import Bundle
from wire.policy import Sender

LISTED = Path(__file__).parent / "people.tsv"
ALONE = "-"
SHORT_PX = 360  # of the source, at most
_ENROLMENT, _ATTACK = 1 / 3, 1 / 2  # of the time of one who is in a single clip
FRAMES = 2  # of an appearance

Picture = NDArray[np.uint8]  # (H, W, 3)
Change = Callable[[Picture], Picture]


class _Row(NamedTuple):
    clip: str
    start_s: float
    end_s: float
    box: tuple[float, float, float, float]
    person: str
    scene: str


@dataclass(frozen=True, slots=True)
class Appearance:
    """A person in a part of a clip; the box is (left, top, right, bottom) in shares of the picture."""

    clip: Path
    start_s: float
    end_s: float
    box: tuple[float, float, float, float]
    person: str
    scene: str


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One frame of an appearance: as it is, as encoders get it, and as they get it of a sender who redacts.

    `enrols`: the attacker has `source` as a photograph with a name.
    """

    appearance: Appearance
    enrols: bool
    source: Picture
    camera: Picture
    redacted: Picture

    @property
    def group(self) -> str:
        """Whose frames are alike, and so count as one."""
        return f"{self.appearance.person}, {self.appearance.clip.stem}"


def appearances(folder: Path, listed: Path | None = None) -> list[Appearance]:
    """Read the list; what is not in `folder` is left out. Raises InputError where nothing is left."""
    path = listed or (folder / "people.tsv" if (folder / "people.tsv").is_file() else LISTED)
    clips = {clip.stem: clip for clip in (*demo_paths(), *footage.clips(folder))}
    found = [
        Appearance(clips[row.clip], row.start_s, row.end_s, row.box, row.person, row.scene)
        for row in _rows(path)
        if row.clip in clips
    ]
    if len({each.person for each in found}) < 2:
        raise InputError(
            f"{folder}: {path} names no two people in its clips; list them in "
            f"{folder / 'people.tsv'}, with a tab between clip (without ending), start_s, end_s, left, top, "
            "right, bottom, person, scene"
        )
    return found


def attacked(found: Sequence[Appearance]) -> frozenset[Path]:
    """Give the clips of which some frame is attacked: nothing may be trained on them."""
    first = _first_clips(found)
    return frozenset(each.clip for each in found if _is_alone(each, found) or each.clip != first[each.person])


class Reader:
    """Reads frames by the way that the agent reads them; detectors are loaded once."""

    def __init__(self, bundle: Bundle, frames: int = FRAMES) -> None:
        """`frames` of each appearance are read, twice as many of one who is in a single clip."""
        self._frames = frames
        self._px = short_side_px(bundle)
        self._open = Guard(Sender(), bundle)
        self._redacting = Guard(Sender(faces="redact", text="redact"), bundle)

    def sights(self, found: Sequence[Appearance]) -> Iterator[Sight]:
        """Give a few frames of each appearance, evenly spread. Raises CameraError."""
        for clip in dict.fromkeys(each.clip for each in found):
            chosen = {each: self._chosen(each, found) for each in found if each.clip == clip}
            wanted = frozenset(at_us for times in chosen.values() for at_us in times)
            source = self._read(self._open, clip, SHORT_PX, wanted)
            camera = self._read(self._open, clip, self._px, wanted)
            redacted = self._read(self._redacting, clip, self._px, wanted)
            for each, times in chosen.items():
                for at_us, enrols in times.items():
                    yield Sight(each, enrols, source[at_us], camera[at_us], redacted[at_us])

    def changed(self, found: Sequence[Appearance], changes: Mapping[Appearance, Change]) -> Iterator[Sight]:
        """Give the attacked frames of some appearances again, changed before they are redacted.

        Sources are as they were. Raises CameraError.
        """
        for each, change in changes.items():
            wanted = frozenset(at_us for at_us, enrols in self._chosen(each, found).items() if not enrols)
            source = self._read(self._open, each.clip, SHORT_PX, wanted)
            camera = self._read(self._open, each.clip, self._px, wanted, change)
            redacted = self._read(self._redacting, each.clip, self._px, wanted, change)
            for at_us in sorted(wanted):
                yield Sight(
                    each, enrols=False, source=source[at_us], camera=camera[at_us], redacted=redacted[at_us]
                )

    def _chosen(self, one: Appearance, found: Sequence[Appearance]) -> dict[int, bool]:
        """Choose moments; true where they enrol: early ones of one who is in a single clip."""
        alone, first = _is_alone(one, found), _first_clips(found)[one.person]
        times = [at_us for at_us in self._times(one.clip) if one.start_s <= at_us / 1e6 <= one.end_s]
        count = min(len(times), self._frames * (2 if alone else 1))
        shares = {
            times[place]: place / max(len(times) - 1, 1)
            for place in np.linspace(0, len(times) - 1, count).round().astype(int)
        }
        return {
            at_us: share <= _ENROLMENT if alone else one.clip == first
            for at_us, share in shares.items()
            if not alone or not _ENROLMENT < share < _ATTACK
        }

    def _times(self, clip: Path) -> list[int]:
        camera = open_camera(str(clip), short_side_px=16)
        try:
            return [frame.captured_us for frame in camera]
        finally:
            camera.close()

    def _read(
        self, guard: Guard, clip: Path, px: int, wanted: frozenset[int], change: Change | None = None
    ) -> dict[int, Picture]:
        look_px = max(px, LOOK_PX) if guard.sender.faces == "redact" or change is not None else px
        near = _Near(clip, look_px, wanted, change)
        camera = RedactedCamera(clip.stem, near, guard, px, now_s=lambda: 0.0)  # however slow this machine is
        try:
            read = {frame.captured_us: frame.rgb for frame in camera if frame.captured_us in wanted}
        finally:
            camera.close()
        if missing := wanted - read.keys():
            raise InputError(f"{clip}: {len(missing)} frames were withheld: {guard.trouble.get(clip.stem)}")
        return read


class _Near(FileCamera):
    """A file of which only wanted frames are given, and those on which a redaction of them depends."""

    def __init__(self, clip: Path, px: int, wanted: frozenset[int], change: Change | None) -> None:
        super().__init__(str(clip), Sampler(SAMPLE_FPS, px, None), Event())
        self._wanted = sorted(wanted)
        self._change = change

    def __iter__(self) -> Iterator[Frame]:
        after = 0
        for frame in super().__iter__():
            if frame.captured_us in self._wanted:
                after = AHEAD + 1
            if after or any(0 < at_us - frame.captured_us <= HOLD_MS * 1000 for at_us in self._wanted):
                yield frame if self._change is None else replace(frame, rgb=self._change(frame.rgb))
            after = max(after - 1, 0)
            if not after and frame.captured_us > self._wanted[-1]:
                return


def _is_alone(one: Appearance, found: Sequence[Appearance]) -> bool:
    return all(other.clip == one.clip for other in found if other.person == one.person)


def _first_clips(found: Sequence[Appearance]) -> dict[str, Path]:
    return {each.person: each.clip for each in reversed(found)}


def _rows(path: Path) -> Iterator[_Row]:
    try:
        lines = path.read_text("utf-8").splitlines()[1:]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 2):
        try:
            clip, *numbers, person, scene = line.split("\t")
            start_s, end_s, left, top, right, bottom = map(float, numbers)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not of nine fields with tabs between them") from error
        if not (start_s < end_s and 0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise InputError(f"{path}: line {number}: the times or the box are empty or out of range")
        yield _Row(clip, start_s, end_s, (left, top, right, bottom), person, scene)
