"""Where stand-ins are asked for, nothing of what was seen is drawn, but figures where things move."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.anchors import NO_SCENERY, Scenery
from cloud.render.clip import render_segment
from cloud.render.people import FIGURE, speaks_of_people, without_identities
from cloud.render.preview import PreviewRenderer
from cloud.render.renderer import Context, RenderError, never
from cloud.render.stand_in import GROUND
from edge.privacy.words import topics
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.motion import Motion, ObjectMotion
from wire.policy import Policy
from wire.segment import Segment

CAMERA = CameraInfo("yard", 320, 180, 10.0)
POLICY = Policy(long_side_px=160, stand_in="figure")
WALKS = Motion(objects=(ObjectMotion(0.25, 0.5, 0.2, 0.6, 0.5, 0.0),))


class Spy(PreviewRenderer):
    """Notes which segments it was given."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.seen: list[Segment] = []

    def render(
        self, segment: Segment, context: Context, camera: CameraInfo, policy: Policy, seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:  # fmt: skip
        self.seen += [each for each in (segment, context.previous, context.next) if each is not None]
        return super().render(segment, context, camera, policy, seed, cancelled)


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny)


@pytest.fixture(scope="module")
def spy(bundle: Bundle) -> Spy:
    return Spy(bundle)


def scene(bundle: Bundle, caption: str | None = "an old man walks", motion: Motion | None = WALKS) -> Segment:
    appearance = bundle.manifest.appearance
    assert appearance is not None
    tokens = np.ones((appearance.planes, *appearance.grid), np.uint8)
    vector = np.ones(8, np.int8)
    return Segment(0, 2000, caption, motion, tokens, 500, still=False, cut=True, vector=vector)


def rendered(spy: Spy, segment: Segment, scenery: Scenery = NO_SCENERY) -> NDArray[np.uint8]:
    return render_segment([segment], 0, CAMERA, spy, POLICY, 0, scenery=scenery)


def test_no_bit_of_the_code_reaches_the_renderer_so_no_pixel_of_anybody_is_left(
    spy: Spy, bundle: Bundle
) -> None:
    one, other = scene(bundle), scene(bundle)
    assert other.tokens is not None
    other = replace(other, tokens=other.tokens * 0, vector=None)
    before, after = replace(one, start_ms=-2000), replace(other, start_ms=2000, cut=False)
    spy.seen.clear()
    context = [before, replace(one, cut=False), after]
    made = render_segment(context, 1, CAMERA, spy, POLICY, 0)
    assert len(spy.seen) == 3
    assert all((each.tokens, each.vector, each.memory) == (None, None, None) for each in spy.seen)
    assert all(each.caption == f"a {FIGURE} walks" for each in spy.seen)
    assert np.array_equal(made, rendered(spy, other)), "whoever it was, the same is drawn"


def test_a_figure_moves_where_the_track_does_over_the_picture_of_the_place(spy: Spy, bundle: Bundle) -> None:
    place = np.full((90, 160, 3), (40, 120, 60), np.uint8)
    frames = rendered(spy, scene(bundle), Scenery((place,), 1))
    changed = (frames != place).any(axis=3)
    columns = [np.flatnonzero(each.any(axis=0)) for each in changed]
    assert abs(float(columns[0].mean()) - 0.25 * 160) < 4
    assert abs(float(columns[-1].mean()) - 0.72 * 160) < 6
    assert changed.mean() < 0.2, "the rest is the place"
    grey = rendered(spy, scene(bundle))
    assert (grey[:, :5] == GROUND).all()


def test_what_moves_where_nobody_is_said_to_be_is_no_figure(spy: Spy, bundle: Bundle) -> None:
    person, car = rendered(spy, scene(bundle)), rendered(spy, scene(bundle, "a red car drives"))
    assert not np.array_equal(person, car)
    corners = [frames[0, 30, 50] for frames in (person, car)]  # beside the head, and within a block
    assert (corners[0] == GROUND).all()
    assert not (corners[1] == GROUND).all()


@pytest.mark.parametrize("caption", ["a man sits at a table", "two people", None])
@pytest.mark.parametrize("still", [True, False])
def test_people_of_whom_nobody_knows_where_they_are_are_refused(
    spy: Spy, bundle: Bundle, caption: str | None, *, still: bool
) -> None:
    seen = replace(scene(bundle, caption, Motion()), still=still)
    with pytest.raises(RenderError, match="stand_in: "):
        rendered(spy, seen)


def test_a_place_without_people_is_shown_as_it_is(spy: Spy, bundle: Bundle) -> None:
    place = np.asarray(np.random.default_rng(0).integers(0, 255, (90, 160, 3)), np.uint8)
    seen = replace(scene(bundle, "an empty yard", None), still=True)
    frames = rendered(spy, seen, Scenery((place,), 1))
    assert np.array_equal(frames[0], cv2.resize(place, (160, 90), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("an old man and his dog walk to the left", "a grey figure and dog walk to the left"),
        ("a woman in a red coat walks with a black dog", "a grey figure walks with a dog"),
        ("two young men wearing blue shirts ride bicycles", "two grey figure ride bicycles"),
        ("a person's face", "a grey figure"),
        ("a red car drives to the right", "a red car drives to the right"),
    ],
)
def test_captions_say_figures_and_nothing_of_how_they_look(caption: str, said: str) -> None:
    assert without_identities(caption) == said


def test_every_word_by_which_a_device_knows_people_is_known_here() -> None:
    unknown = {" ".join(phrase) for phrase in topics()["person"] if not speaks_of_people(" ".join(phrase))}
    assert unknown <= {"humen"}, "a plural that the device makes up"
