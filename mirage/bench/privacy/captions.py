"""Counts forbidden words in captions: with the ban in the beam, which must say none, and without, which must.

    window of frames --cropped, mirrored, lightened by chance--> encoder --> greedy and 4 beams, "private"
                                                                    |------> the same, all topics banned
                                                                    '------> greedy, nothing banned

What the beam says is counted, before the device looks at the finished caption once more. Each window is a
line of a journal, so a run that was stopped goes on where it was.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.camera import open_camera
from edge.decoder import Decoder, Speech
from edge.pixels import PixelTable
from edge.privacy.ban import TokenBan
from edge.privacy.words import Forbidden, topics
from edge.runtime import Runtime
from edge.vocabulary import Vocabulary
from export.data import footage
from mirage.bench.privacy.kept import Journal
from mirage.progress import steps_shown
from wire.bundle import Bundle
from wire.grid import frame_grid
from wire.policy.presets import PRESETS

BEAMS = (1, 4)
_FRAMES, _PER_S, _PX = 8, 4.0, 200  # of a window; the short side before it is cropped
_STEP = _FRAMES // 2  # from window to window
_SMALLEST_CROP = 0.6

Frames = NDArray[np.uint8]  # (N, H, W, 3)


class Spoken(msgspec.Struct, frozen=True):
    """The captions of one window: banned[wording][beams], and the one without a ban."""

    number: int
    banned: dict[str, list[str]]
    free: str


class Words(msgspec.Struct, frozen=True):
    """What was counted. `different` captions are among `captions`; examples are what a ban prevented."""

    captions: int
    different: int
    with_forbidden_words: int
    without_ban_captions: int
    without_ban_with_forbidden_words: int
    examples: tuple[str, ...]


def wordings() -> dict[str, Forbidden]:
    """Give what is banned: what the preset "private" bans, and every topic that has a name."""
    return {
        "private": Forbidden.of(PRESETS["private"].sender.words),
        "every topic": Forbidden.of(topics()),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    wording: str
    decoder: Decoder


class Speaker:
    """The bundle's captioner: its encoder once a window, its decoder for each ban and number of beams."""

    def __init__(self, bundle: Bundle, bans: dict[str, Forbidden] | None = None) -> None:
        runtime, info = Runtime(1), bundle.manifest.captioner
        self._info = info
        self._table = PixelTable(info.mean, info.std)
        self._encoder = runtime.open(bundle.path(info.encoder))
        side = info.tile_px * math.isqrt(len(info.layout))
        seen = self._encoder.values(
            {"pixel_values": self._table.normalise(np.zeros((side, side, 3), np.uint8))}
        )
        graph = runtime.open(bundle.path(info.decoder))
        self._vocabulary = Vocabulary.from_file(bundle.path(info.tokenizer))

        def decoder(beams: int, ban: Forbidden | None) -> Decoder:
            made = Decoder(graph, Speech(info.start_token, info.end_token, info.max_tokens, beams), seen)
            made.ban = TokenBan(ban, self._vocabulary.pieces()).after if ban else None
            return made

        chosen = wordings() if bans is None else bans
        self._ways = [_Way(name, decoder(beams, ban)) for name, ban in chosen.items() for beams in BEAMS]
        self._free = decoder(1, None)

    def speak(self, number: int, frames: Frames) -> Spoken:
        """Caption frames (N, h, w, 3) in every way."""
        grid = frame_grid(frames, self._info.tile_px, self._info.layout)
        seen = self._encoder.values({"pixel_values": self._table.normalise(grid)})
        said = dict[str, list[str]]()
        for way in self._ways:
            said.setdefault(way.wording, []).append(self._text(way.decoder.decode(seen)))
        return Spoken(number, said, self._text(self._free.decode(seen)))

    def _text(self, ids: Sequence[int]) -> str:
        return " ".join(self._vocabulary.decode(ids).split())


def run(bundle: Bundle, folder: Path, count: int, path: Path) -> Words:
    """Make `count` captions under a ban, with what the journal at `path` has already."""
    journal = Journal(path, Spoken)
    done = {each.number: each for each in journal.read()}
    wanted = math.ceil(count / (len(wordings()) * len(BEAMS)))
    speaker: Speaker | None = None
    with steps_shown("captions", wanted) as step:
        for number, frames in enumerate(islice(windows(folder, done.__contains__), wanted)):
            if frames is not None and number not in done:
                speaker = speaker or Speaker(bundle)
                done[number] = speaker.speak(number, changed(frames, number))
                journal.add(done[number])
            step()
    return counted([done[number] for number in sorted(done) if number < wanted])


def counted(spoken: Sequence[Spoken]) -> Words:
    """Count captions that say what is forbidden."""
    bans = wordings()
    pairs = [(name, text) for each in spoken for name, texts in each.banned.items() for text in texts]
    free = [each.free for each in spoken]
    guilty = [text for text in free if bans["every topic"].found_in(text)]
    return Words(
        captions=len(pairs),
        different=len({text for _, text in pairs}),
        with_forbidden_words=sum(bool(bans[name].found_in(text)) for name, text in pairs),
        without_ban_captions=len(free),
        without_ban_with_forbidden_words=len(guilty),
        examples=tuple(dict.fromkeys(guilty))[:5],
    )


def windows(folder: Path, is_known: Callable[[int], bool]) -> Iterator[Frames | None]:
    """Give windows without end, in the same order each time; None for one whose number is known.

    A window is two seconds of a clip (N, H, W, 3), or a photograph (1, H, W, 3).
    """
    clips = footage.clips(folder)
    found = [*footage.photos(folder), *clips]
    order = [found[place] for place in np.random.default_rng(0).permutation(len(found))]
    counts = {clip: _count(clip) for clip in clips}
    number = 0
    while found:
        for path in order:
            numbers = range(number, number := number + counts.get(path, 1))
            if all(map(is_known, numbers)):
                yield from (None for _ in numbers)
            elif path in counts:
                read = [rgb for _, rgb in footage.read_frames(path, _PX, _PER_S)]
                starts = (min(at * _STEP, max(len(read) - _FRAMES, 0)) for at in range(len(numbers)))
                yield from (np.stack(read[start : start + _FRAMES]) for start in starts)
            else:
                yield footage.read_photo(path, _PX)[None]


def _count(clip: Path) -> int:
    camera = open_camera(str(clip))
    camera.close()
    return max(round((camera.info.duration_s or 0) * _PER_S) - _FRAMES, 0) // _STEP + 1


def changed(frames: Frames, seed: int) -> Frames:
    """Crop, mirror and lighten or darken frames (N, H, W, 3) by chance; a photograph is panned over."""
    chance = np.random.default_rng(seed)
    height, width = frames.shape[1:3]
    share = chance.uniform(_SMALLEST_CROP, 1)
    rows, columns = round(height * share), round(width * share)
    top, left = (int(chance.integers(0, most + 1)) for most in (height - rows, width - columns))
    step = chance.uniform(-0.2, 0.2) if len(frames) == 1 else 0.0
    light, mirrors = chance.uniform(0.7, 1.3), chance.random() < 0.5
    shown = []
    for number in range(_FRAMES if len(frames) == 1 else len(frames)):
        x = int(np.clip(left + step * columns * number / _FRAMES, 0, width - columns))
        part = frames[min(number, len(frames) - 1), top : top + rows, x : x + columns]
        shown.append(cv2.convertScaleAbs(part[:, ::-1] if mirrors else part, alpha=light))
    return np.stack(shown)
