"""A renderer that ignores what it is told is caught; the shipped one obeys."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.confidence.obedience import OBEYS, Shot, compare
from cloud.confidence.reader import Reader
from cloud.render.load import load_renderer
from cloud.render.renderer import Context, Renderer, frame_span, never, output_rate, output_size
from tests.cloud.confidence.pictures import CAMERA, pictures, shown
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

POLICY = Policy(long_side_px=128)


class Fixed:
    """Draws the same picture whatever it is told, or noise that depends on all of it."""

    carries = 0

    def __init__(self, *, noise: bool) -> None:
        self.name = "noise" if noise else "fixed"
        self._noise = noise

    def render(
        self, segment: Segment, context: Context, camera: CameraInfo, policy: Policy, seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:  # fmt: skip
        assert segment.tokens is not None
        assert (context.previous, context.next, cancelled()) == (None, None, False)
        first, end = frame_span(segment, output_rate(camera, policy))
        width, height = output_size(camera, policy.long_side_px)
        told = int(segment.tokens.astype(np.int64).sum()) if self._noise else 0
        return np.random.default_rng((told, seed)).integers(0, 255, (end - first, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "cloud")


@pytest.fixture(scope="module")
def reader(bundle: Bundle) -> Reader:
    return Reader(bundle)


@pytest.fixture(scope="module")
def shots(bundle: Bundle, tiny: Path) -> list[Shot]:
    return [
        Shot(f"gate {number}", shown(bundle, picture, number, "a red car"), CAMERA, POLICY)
        for number, picture in enumerate(pictures(tiny))
    ]


def done() -> None:
    """Count nothing."""


@pytest.mark.parametrize("noise", [False, True])
def test_a_renderer_that_ignores_its_conditioning_is_caught(
    reader: Reader, shots: list[Shot], *, noise: bool
) -> None:
    verdict = compare(Fixed(noise=noise), reader, shots, 0, done)
    assert verdict.obeys is False
    assert verdict.obedience is not None
    assert abs(verdict.obedience) < 0.1
    assert len(verdict.compared) == 4


def test_nothing_that_is_told_makes_exactly_no_difference(reader: Reader, shots: list[Shot]) -> None:
    assert {each.obedience for each in compare(Fixed(noise=False), reader, shots, 0, done).compared} == {0.0}


def test_the_shipped_renderer_obeys(bundle: Bundle, reader: Reader, shots: list[Shot]) -> None:
    verdict = compare(load_renderer(bundle, 1), reader, shots, 0, done)
    assert verdict.obeys is True
    assert verdict.obedience is not None
    assert verdict.obedience > 2 * OBEYS
    assert verdict.renderer.startswith("preview tiny")


def test_each_shot_is_told_what_is_least_like_it(bundle: Bundle, reader: Reader, shots: list[Shot]) -> None:
    calls = []
    renderer: Renderer = load_renderer(bundle, 1)
    verdict = compare(renderer, reader, shots, 0, lambda: calls.append(1))
    assert len(calls) == len(shots)
    for each in verdict.compared:
        own, other = (next(shot for shot in shots if shot.name == name) for name in (each.shot, each.other))
        least = min(reader.alike(own.segment, shot.segment) or 1 for shot in shots if shot is not own)
        assert reader.alike(own.segment, other.segment) == least


def test_of_scenes_that_are_all_alike_or_have_no_code_nothing_is_said(
    reader: Reader, shots: list[Shot]
) -> None:
    alone = compare(Fixed(noise=False), reader, [shots[0], shots[0]], 0, done)
    blind = [replace(shot, segment=replace(shot.segment, tokens=None)) for shot in shots]
    nothing = compare(Fixed(noise=False), reader, blind, 0, done)
    assert (alone.obeys, alone.obedience, nothing.obeys) == (None, None, None)
