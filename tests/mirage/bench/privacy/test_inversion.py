"""Attacks on codes: who can be told apart is named, and what is not sent is not found."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirage.bench.privacy.gates import gates
from mirage.bench.privacy.inversion import (
    ALIKE,
    SHIPPED,
    TRAINED,
    Cast,
    Found,
    Hidden,
    Inverter,
    Leak,
    Target,
    attack,
    controls,
    found,
    hidden_faces,
    shrunk,
)
from mirage.bench.privacy.matching import Rate
from mirage.bench.privacy.people import Appearance, Picture, Sight
from mirage.bench.privacy.run import Measured
from mirage.bench.privacy.settings import Setting, settings
from mirage.bench.quality.statistics import Estimate
from tests.mirage.bench.quality.pictures import texture
from wire.bundle import Bundle

BOX = (0.25, 0.1, 0.75, 0.9)


class Part:
    """Somebody who is told apart by the pixels of a part of the picture."""

    def vectors(self, picture: Picture) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        height, width = picture.shape[:2]
        left, top, right, bottom = (round(s * n) for s, n in zip(BOX, (width, height) * 2, strict=True))
        part = picture[top:bottom, left:right].astype(np.float32)
        rows, columns = (
            np.linspace(0, part.shape[0] - 1, 8).astype(int),
            np.linspace(0, part.shape[1] - 1, 8).astype(int),
        )
        vector = (part[rows][:, columns] - part.mean((0, 1))).ravel()
        return {"dlib": vector / max(float(np.linalg.norm(vector)), 1e-9)}

    def points(self, picture: Picture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return picture[70:80:5, 80]


def crowd(people: int = 6) -> list[Target]:
    """Give people with textures for faces: one photograph each, and two frames with a little noise."""
    targets = []
    chance = np.random.default_rng(0)
    for number in range(people):
        for take in range(3):
            face = texture(number, side=160).astype(np.float32) + chance.normal(0, 6, (160, 160, 3))
            picture = np.clip(face, 0, 255).astype(np.uint8)
            redacted = np.full_like(picture, 128)
            where = Appearance(Path(f"{number}-{take}.mp4"), 0, 1, BOX, f"person-{number}", "room")
            sight = Sight(where, take == 0, picture, picture, redacted)
            targets.append(Target(sight, Part(), "room", Part().vectors(picture)))
    return targets


@pytest.fixture
def chosen(tiny: Path) -> dict[str, Setting]:
    info = Bundle.load(tiny).manifest.appearance
    assert info is not None
    return {setting.name: setting for setting in settings(info)}


def leak(tiny: Path, targets: Sequence[Target], setting: Setting) -> Leak:
    cast = Cast(list(targets), list(targets))
    return attack(cast, [each.sight for each in targets], Inverter(Bundle.load(tiny)), setting)


def test_a_code_of_everything_gives_people_away(tiny: Path, chosen: dict[str, Setting]) -> None:
    given = leak(tiny, crowd(), chosen["faithful"])
    assert given.faces.best.rate == 1
    assert given.faces.best.chance == pytest.approx(1 / 6)
    assert given.likeness[SHIPPED].mean > 0.3


def test_what_is_redacted_is_named_by_chance(tiny: Path, chosen: dict[str, Setting]) -> None:
    given = leak(tiny, crowd(), chosen["balanced"])
    assert given.faces.best.low <= given.faces.best.chance
    assert given.room.best == given.faces.best  # all are in one room
    assert given.likeness[SHIPPED].mean < 0.3


def test_the_same_frame_gives_the_same_code_noise_and_all(tiny: Path, chosen: dict[str, Setting]) -> None:
    inverter, sight = Inverter(Bundle.load(tiny)), crowd(1)[0].sight
    sent = inverter.sent(sight, chosen["private"])
    assert sent.shape[0] == 4
    assert np.array_equal(sent, inverter.sent(sight, chosen["private"]))


def test_sources_are_attacked_too_whole_and_small() -> None:
    targets = crowd()
    shown = controls(Cast(targets, targets))
    assert shown["source"]["faces"].best.rate == 1
    sizes = {"source at 128 px", "source at 64 px", "source at 48 px"}
    assert set(shown) == {"source", *sizes, "redacted, not encoded"}
    hidden = shown["redacted, not encoded"]["faces"].best
    assert hidden.low <= hidden.chance


def test_faces_that_redaction_missed_are_counted() -> None:
    targets = crowd()
    assert hidden_faces(Cast(targets, [])) == Hidden(18, 18)
    seen = replace(targets[0].sight, redacted=targets[0].sight.source)
    found_ = hidden_faces(Cast([replace(targets[0], sight=seen), *targets[1:]], []))
    assert found_ == Hidden(17, 18)
    assert [gate.ok for gate in gates(Measured(redacted=found_))] == [False]


def test_the_best_of_all_attacks_counts() -> None:
    targets = crowd()
    blind = [{"dlib": np.ones(192, np.float32)} for _ in targets]
    good = [each.subject.vectors(each.sight.source) for each in targets]
    best = found(targets, {SHIPPED: blind, TRAINED: good})
    assert best.best.rate == 1
    assert best.by.startswith(TRAINED)
    assert len(best.attacks) == 4
    assert best.attacks[f"{SHIPPED}, {ALIKE}, dlib"].rate < 1


def test_a_shrunk_picture_keeps_its_size_and_loses_detail() -> None:
    picture = texture(0, side=160)[:96]
    small = shrunk(picture, 16)
    assert small.shape == picture.shape
    assert np.abs(small.astype(int) - picture).mean() > 3


def test_a_trained_decoder_must_be_the_better_one() -> None:
    worse, better = _leak("private, faces kept", 0.5, 0.4), _leak("private, faces kept", 0.4, 0.5)
    for leak_, ok in ((worse, False), (better, True)):
        judged = {gate.name: gate.ok for gate in gates(Measured(leaks=(leak_,)))}
        assert judged == {"trained_over_shipped_private": ok}


def test_gates_fail_where_a_control_fails() -> None:
    targets = crowd()
    shown = controls(Cast(targets, targets))
    assert all(gate.ok for gate in gates(Measured(controls=shown)))
    blind = [{"dlib": np.ones(192, np.float32)} for _ in targets]
    wrong = {"source": {"faces": found([_blind(each) for each in targets], {"": blind})}}
    assert not any(gate.ok for gate in gates(Measured(controls=wrong)))


def _blind(target: Target) -> Target:
    return replace(target, truth={"dlib": np.ones(192, np.float32)})


def _leak(setting: str, shipped: float, trained: float) -> Leak:
    likeness = {SHIPPED: Estimate(shipped, 0, 1, 9), TRAINED: Estimate(trained, 0, 1, 9)}
    found_ = Found(Rate(0.5, 0.3, 0.7, 0.1, 20, 60), "", {})
    return Leak(setting, found_, found_, found_, likeness)
