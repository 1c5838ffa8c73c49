"""What simulated devices send is what the agent's composer makes, however many of them share the work."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.composer import Choose, Composer
from edge.menu import Menu, Plan
from mirage.fleet.films import BASE_MS, Films, Shot, written
from mirage.fleet.studio import State, Studio
from wire.bundle import Bundle
from wire.motion import CameraMotion, Motion
from wire.packet import Packet
from wire.segment import Codec, Segment

CAPTIONS = ("a red car drives to the left", "a man walks slowly to the right")
PLANES = 4


@pytest.fixture
def codec(tables_bundle: Path) -> Codec:
    return Bundle.load(tables_bundle).codec()


@pytest.fixture
def films(codec: Codec, tables_bundle: Path) -> Films:
    bundle = Bundle.load(tables_bundle)
    return Films(codec, [written([segment(number) for number in range(len(CAPTIONS))], bundle)])


def segment(number: int) -> Segment:
    tokens = np.random.default_rng(number).integers(0, 8, (4, 4, 4)).astype(np.uint8)
    motion = Motion(CameraMotion(0.25, 0.0, 0.0, 0.0), ())
    return Segment(2000 * number, 2000, CAPTIONS[number], motion, tokens, 100, still=False, cut=not number)


def scene() -> list[Shot]:
    """Two segments that move, and a rest."""
    return [
        Shot(0, 0, BASE_MS, still=False, begins=True),
        Shot(0, 1, BASE_MS, still=False, begins=False),
        Shot(0, 1, 8000, still=True, begins=False),
    ]


def played(studio: Studio, shots: Sequence[Shot], choose: Choose | None) -> list[Packet]:
    packets, state = list[Packet](), None
    for shot in shots:
        packet, state = studio.play(shot, state, choose)
        packets.append(packet)
    return packets


def composed(codec: Codec, films: Films, shots: Sequence[Shot], choose: Choose | None) -> list[Packet]:
    """Compose the same shots as one camera of an agent does."""
    composer, packets, start_ms = Composer(codec, PLANES, choose=choose), list[Packet](), 0
    for shot in shots:
        packets.append(composer.compose(replace(films.segment(shot), start_ms=start_ms)))
        start_ms += shot.duration_ms
    return packets


def largest(menu: Menu) -> Plan:
    return Plan(menu.parts, max(menu.pictures, key=lambda item: item.size, default=None))


def smallest(menu: Menu) -> Plan:
    return Plan(menu.parts[:1], min(menu.pictures, key=lambda item: item.size, default=None))


@pytest.mark.parametrize("choose", [None, largest, smallest])
def test_packets_are_those_of_the_composer(codec: Codec, films: Films, choose: Choose | None) -> None:
    studio = Studio(codec, PLANES, films)
    for other in (None, largest, smallest):  # devices of other plans go before, and between
        played(studio, scene(), other)
    assert played(studio, scene(), choose) == composed(codec, films, scene(), choose)
    assert played(studio, scene(), choose) == composed(codec, films, scene(), choose), "the second time too"


def test_a_receiver_understands_them(codec: Codec, films: Films) -> None:
    held = None
    for packet in played(Studio(codec, PLANES, films), [*scene(), *scene()], smallest):
        held = codec.resolve(packet, held)
        assert held.caption in CAPTIONS


def test_what_was_computed_is_not_computed_again(codec: Codec, films: Films) -> None:
    menus = list[Menu]()

    def looking(menu: Menu) -> Plan:
        menus.append(menu)
        return largest(menu)

    studio = Studio(codec, PLANES, films)
    played(studio, scene(), looking)
    played(studio, scene(), looking)
    assert [id(menu) for menu in menus[:3]] == [id(menu) for menu in menus[3:]]


def test_a_state_is_shared_by_those_who_hold_the_same(codec: Codec, films: Films) -> None:
    studio, states = Studio(codec, PLANES, films), list[State]()
    for _ in range(2):
        states.append(studio.play(scene()[0], None, largest)[1])
    assert states[0] is states[1]


def test_scenes_are_as_long_as_asked_for_and_may_rest(films: Films) -> None:
    shots = list(films.scene(random.Random(1), 4000, moves=True, rests=True))
    assert [shot.duration_ms for shot in shots[:-1]] == [4000] * (len(shots) - 1)
    assert [shot.still for shot in shots] == [False] * (len(shots) - 1) + [True]
    assert shots[0].begins
    assert sum(shot.duration_ms for shot in shots) <= 60_000, "a refresh reaches so far"
    (calm,) = films.scene(random.Random(1), 4000, moves=False, rests=True)
    assert (calm.still, calm.duration_ms, calm.begins) == (True, 60_000, True)
