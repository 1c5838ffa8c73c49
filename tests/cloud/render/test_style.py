"""Named styles: which words ask for one, what it draws, and what is said of words that nothing draws."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from cloud.render.load import load_renderer
from cloud.render.renderer import Context, never
from cloud.render.style import STYLES, Painted, read, told
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

CAMERA = CameraInfo("yard", 320, 180, 10.0)
SEGMENT = Segment(0, 2000, "a box", None, None, 0, still=False, cut=False)
NOBODY = Context(None, None)


def noisy(count: int = 3) -> NDArray[np.uint8]:
    """Draw a bright box on a dark ground, under noise."""
    frames = np.full((count, 90, 160, 3), (60, 50, 40), np.uint8)
    frames[:, 20:70, 40:120] = (200, 160, 120)
    noise = np.random.default_rng(0).integers(-20, 21, frames.shape)
    return np.clip(frames.astype(int) + noise, 0, 255).astype(np.uint8)


class Fixed:
    """Renders these frames, whatever is asked for."""

    name, carries = "fixed", 0

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.frames = frames

    def render(
        self, _segment: Segment, _context: Context, _camera: CameraInfo, _policy: Policy, _seed: int,
        _cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:  # fmt: skip
        return self.frames


def painted(prompt: str, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return Painted(Fixed(frames)).render(SEGMENT, NOBODY, CAMERA, Policy(style_prompt=prompt), 0)


@pytest.mark.parametrize(
    ("prompt", "style", "rest"),
    [
        ("oil painting", "oil painting", ""),
        ("An Oil-Painting style.", "oil painting", ""),
        ("in the style of a watercolor", "watercolour", ""),
        ("pencil sketch", "pencil", "sketch"),
        ("oil painting, at dusk, rain", "oil painting", "at dusk, rain"),
        ("a pencil, then an oil painting", "pencil", "a , then an oil painting"),
        ("an oil spill", None, "an oil spill"),
        ("cyberpunk", None, "cyberpunk"),
        ("", None, ""),
    ],
)
def test_a_prompt_is_read_for_the_style_that_it_names(prompt: str, style: str | None, rest: str) -> None:
    found = read(prompt)
    assert (None if found.style is None else found.style.name, found.rest) == (style, rest)


def test_oil_leaves_flat_strokes_and_the_edges_between_them() -> None:
    source = noisy()
    drawn = painted("oil painting", source)
    assert drawn.shape == source.shape
    assert drawn.dtype == np.uint8
    assert drawn[:, 30:60, 60:100, 0].std() < source[:, 30:60, 60:100, 0].std() / 2
    steps = np.abs(np.diff(drawn[0].astype(int).mean(axis=2), axis=1))[30:60]
    assert (steps[:, 37:42].max(axis=1) > 40).all()  # a blur would spread that over several pixels


def test_water_is_paler_and_a_pencil_has_no_colours() -> None:
    source = noisy()
    assert painted("watercolour", source).mean() > source.mean() + 20
    pencil = painted("pencil", source)
    assert (pencil[..., 0] == pencil[..., 2]).all()
    assert pencil.mean() > 200


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (16, 9), (270, 480)])
def test_every_style_draws_every_size_and_the_same_each_time(style: object, size: tuple[int, int]) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (1, *size, 3)).astype(np.uint8)
    first, again = (painted(getattr(style, "name"), frame) for _ in range(2))  # noqa: B009 -- of an object
    assert np.array_equal(first, again)
    assert first.shape == frame.shape


def test_words_without_a_filter_change_nothing() -> None:
    source = noisy()
    assert painted("cyberpunk", source) is source


def test_a_scene_at_rest_is_drawn_once() -> None:
    one = noisy(1)[0]
    drawn = painted("oil painting", np.broadcast_to(one, (600, *one.shape)))
    assert drawn.shape == (600, 90, 160, 3)
    assert drawn.strides[0] == 0


def test_no_frames_stay_none() -> None:
    assert len(painted("pencil", noisy(0))) == 0


def test_provenance_says_what_is_drawn_and_what_is_not(tiny: Path) -> None:
    bundle = Bundle.load(tiny)
    assert told(bundle, Policy()) == {}
    assert told(bundle, Policy(style_prompt="oil painting")) == {
        "style": {"drawn": "oil painting, by an image filter (version 1)", "not_drawn": None}
    }
    said = told(bundle, Policy(style_prompt="at dusk", negative_prompt="blurry"))
    assert said == {"style": {"drawn": None, "not_drawn": "at dusk; not blurry"}}


def test_a_renderer_that_reads_prompts_is_left_to_itself(tiny: Path) -> None:
    bundle = Bundle.load(tiny)
    manifest = bundle.manifest
    renderer = structs.replace(manifest.renderer, backend="diffusers")
    other = replace(bundle, manifest=structs.replace(manifest, renderer=renderer))
    assert told(other, Policy(style_prompt="oil painting")) == {}


def test_the_shipped_renderer_draws_styles(tiny: Path) -> None:
    assert isinstance(load_renderer(Bundle.load(tiny), 1), Painted)
