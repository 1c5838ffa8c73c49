"""Forbidden words are counted, none is said under a ban, and a run that was stopped goes on."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.privacy.words import Forbidden
from mirage.bench.privacy import captions
from mirage.bench.privacy.captions import Speaker, Spoken, changed, counted, run
from mirage.bench.privacy.gates import gates
from mirage.bench.privacy.kept import Journal
from mirage.bench.privacy.run import Measured
from tests.mirage.bench.quality.pictures import texture
from wire.bundle import Bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "footage" / "photos"
    photos.mkdir(parents=True)
    for seed in range(3):
        cv2.imwrite(str(photos / f"photo-{seed}.jpg"), texture(seed))
    return photos.parent


def spoken(number: int, private: str, every: str, free: str) -> Spoken:
    return Spoken(number, {"private": [private], "every topic": [every]}, free)


def test_a_caption_that_says_what_is_forbidden_is_counted() -> None:
    said = [spoken(0, "a man walks", "a dog runs", "a man walks"), spoken(1, "a car", "a person", "a car")]
    words = counted(said)
    assert words.with_forbidden_words == 2  # "private" bans gender, "every topic" also people
    assert (words.captions, words.different) == (4, 4)
    assert words.without_ban_with_forbidden_words == 1
    assert words.examples == ("a man walks",)
    assert [gate.ok for gate in gates(Measured(captions=words))] == [False, True]


def test_a_count_that_could_not_fail_fails() -> None:
    words = counted([spoken(0, "a car", "a car", "a car")])
    assert [gate.ok for gate in gates(Measured(captions=words))] == [True, False]


def test_what_the_captioner_would_say_it_does_not_say_once_it_is_banned(tiny: Path) -> None:
    bundle, frames = Bundle.load(tiny), changed(texture()[None], seed=1)
    free = Speaker(bundle, {}).speak(0, frames).free
    word = max(free.split(), key=len)
    ban = Forbidden.of([word])
    said = Speaker(bundle, {"word": ban}).speak(0, frames)
    assert said.free == free
    assert ban.found_in(free)
    assert not any(ban.found_in(text) for text in said.banned["word"])


def test_a_run_that_was_stopped_goes_on_where_it_was(
    folder: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, journal = Bundle.load(tiny), tmp_path / "work" / "captions.jsonl"
    first = run(bundle, folder, 8, journal)
    assert (first.captions, first.without_ban_captions) == (8, 2)
    assert first.with_forbidden_words == 0
    with journal.open("ab") as file:
        file.write(b'{"number": 2, "ban')  # stopped while it wrote
    monkeypatch.setattr(captions, "Speaker", lambda _: pytest.fail("it begins again"))
    assert run(bundle, folder, 8, journal) == first
    monkeypatch.undo()
    assert run(bundle, folder, 20, journal).captions == 20  # and more windows than there are photographs
    numbers = [each.number for each in Journal(journal, Spoken).read()]
    assert sorted(numbers) == list(range(5))


def test_windows_of_a_photograph_move_and_differ_by_seed() -> None:
    photo = texture()[None]
    one, other = changed(photo, 1), changed(photo, 2)
    assert len(one) == 8
    assert np.array_equal(changed(photo, 1), one)
    assert one.shape != other.shape or not np.array_equal(one, other)
