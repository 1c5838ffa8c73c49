"""What every pipeline's renderer promises: frames, stops, memory."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTXVideo, LTXConditionPipeline, LTXVideoTransformer3DModel
from diffusers.models import attention_dispatch

from cloud.render.clip import render_recording, render_segment
from cloud.render.diffusion.renderer import DiffusionRenderer
from cloud.render.renderer import Context, RenderCancelledError, Renderer, RenderError
from tests.cloud.render.diffusion.studio import (
    CAMERA,
    HEIGHT,
    POLICY,
    WIDTH,
    bare,
    carried,
    diffusion_bundle,
    segment,
    with_vector,
)
from tests.pipelines import Models
from wire.bundle import Bundle
from wire.policy import Policy

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy, by diffusers' schedulers

NOBODY = Context(None, None)


class Steps:
    """Counts the steps of a transformer."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done = 0
        work: Callable[..., object] = LTXVideoTransformer3DModel.forward

        def forward(model: object, *inputs: object, **named: object) -> object:
            self.done += 1
            return work(model, *inputs, **named)

        patch.setattr(LTXVideoTransformer3DModel, "forward", forward)


class LittleMemory:
    """Lets the first `failures` decodings run out of memory; notes the size of every one."""

    def __init__(self, patch: pytest.MonkeyPatch, failures: int) -> None:
        self.sizes: list[tuple[int, ...]] = []
        self.tiled: list[bool] = []
        work = AutoencoderKLLTXVideo.decode

        def decode(
            vae: AutoencoderKLLTXVideo, latents: torch.Tensor, *more: object, **named: object
        ) -> object:
            self.sizes.append(tuple(latents.shape[3:]))
            self.tiled.append(vae.use_tiling)
            if len(self.sizes) <= failures:
                raise torch.OutOfMemoryError("2.00 GiB wanted")
            return work(vae, latents, *more, **named)

        patch.setattr(AutoencoderKLLTXVideo, "decode", decode)


@pytest.mark.parametrize("fps", [None, 1.0, 12.5, 29.97])
@pytest.mark.parametrize("long_side_px", [16, 50, 98])
def test_any_rate_and_size_is_given_as_promised(ltx: Renderer, fps: float | None, long_side_px: int) -> None:
    policy = Policy(long_side_px=long_side_px, fps=fps, steps=1, guidance=1.0)
    parts = [segment(1, duration_ms=730), segment(2, start_ms=730, duration_ms=410, keyframe_ms=200)]
    clips = list(render_recording(parts, CAMERA, ltx, policy, 0))
    assert sum(map(len, clips)) == round(Fraction(fps or 8.0) * Fraction(1140, 1000))


def test_all_pipelines_keep_their_promise_at_odd_sizes(wan: Renderer, animatediff: Renderer) -> None:
    policy = Policy(long_side_px=50, fps=7.5, steps=1, guidance=1.0)
    for renderer in (wan, animatediff):
        assert render_segment([segment()], 0, CAMERA, renderer, policy, 0).shape == (8, 26, 50, 3)


def test_a_segment_between_two_frames_has_none(ltx: Renderer) -> None:
    frames = ltx.render(segment(start_ms=10, duration_ms=20), NOBODY, CAMERA, POLICY, 0)
    assert frames.shape == (0, HEIGHT, WIDTH, 3)


def test_the_receiver_may_ask_for_fewer_frames(ltx: Renderer) -> None:
    frames = ltx.render(segment(), NOBODY, CAMERA, replace(POLICY, frames=1), 0)
    assert frames.shape == (8, HEIGHT, WIDTH, 3)
    assert (frames == frames[0]).all()
    assert not (ltx.render(segment(), NOBODY, CAMERA, POLICY, 0)[1:] == frames[0]).all()


def test_another_renderer_of_the_bundle_makes_the_same_clip(ltx: Renderer, ltx_bundle: Bundle) -> None:
    again = DiffusionRenderer(ltx_bundle)
    context = Context(None, segment(2, start_ms=1000), carried(1, 9))
    one, other = (renderer.render(segment(), context, CAMERA, POLICY, 3) for renderer in (ltx, again))
    assert np.array_equal(one, other)
    assert ltx.name == again.name


def test_the_name_says_what_a_clip_depends_on(ltx: Renderer, ltx_bundle: Bundle, ltx_models: Models) -> None:
    for part in ("diffusers 0.", "ltx", ltx_models["pipeline"].model, "fp32 cpu", ltx_bundle.short_sha256):
        assert part in ltx.name
    assert ltx.carries == 9


def test_a_scene_at_rest_is_its_keyframe_without_diffusion(
    ltx: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    resting = replace(segment(), still=True, duration_ms=60_000)
    frames = ltx.render(resting, Context(None, None, carried(1, 9)), CAMERA, POLICY, 0)
    assert frames.shape == (480, HEIGHT, WIDTH, 3)
    assert (frames == frames[0]).all()
    assert not np.array_equal(frames[0], carried(1, 9)[-1])
    assert steps.done == 0


def test_a_scene_at_rest_of_which_nothing_is_said_stays_as_it_was(ltx: Renderer) -> None:
    resting = replace(bare(segment()), still=True)
    frames = ltx.render(resting, Context(None, None, carried(1, 9)), CAMERA, POLICY, 0)
    assert (frames == carried(1, 9)[-1]).all()


@pytest.mark.parametrize("name", ["ltx", "wan", "animatediff"])
def test_a_scene_at_rest_that_is_only_told_is_diffused_once(
    name: str, request: pytest.FixtureRequest
) -> None:
    renderer: Renderer = request.getfixturevalue(name)
    told = replace(with_vector(segment(), 1) if name == "animatediff" else bare(segment()), still=True)
    frames = renderer.render(told, NOBODY, CAMERA, POLICY, 0)
    assert frames.shape == (8, HEIGHT, WIDTH, 3)
    assert (frames == frames[0]).all()
    assert np.ptp(frames[0]) > 0


@pytest.mark.parametrize("after", [0, 1, 3])
def test_cancelling_stops_within_a_step(ltx: Renderer, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    steps = Steps(monkeypatch)
    with pytest.raises(RenderCancelledError):
        ltx.render(
            segment(), NOBODY, CAMERA, replace(POLICY, steps=9), 0, cancelled=lambda: steps.done >= after
        )
    assert steps.done == after


def test_a_cancelled_clip_leaves_nothing_behind(ltx_models: Models, tmp_path: Path) -> None:
    bundle = diffusion_bundle(tmp_path, "ltx", ltx_models, cache="first-block", cache_threshold=0.9, steps=4)
    renderer = DiffusionRenderer(bundle)
    undisturbed = renderer.render(segment(), NOBODY, CAMERA, POLICY, 0)
    asked = iter([False, False, True])
    with pytest.raises(RenderCancelledError):
        renderer.render(segment(2), NOBODY, CAMERA, POLICY, 0, cancelled=lambda: next(asked))
    assert np.array_equal(undisturbed, renderer.render(segment(), NOBODY, CAMERA, POLICY, 0))


def test_lack_of_memory_is_answered_by_a_smaller_picture_once(
    ltx: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(None, None, carried(1, 9))
    policy = replace(POLICY, long_side_px=4 * WIDTH)
    memory = LittleMemory(monkeypatch, failures=1)
    frames = ltx.render(segment(), context, CAMERA, policy, 0)
    assert frames.shape == (8, 4 * HEIGHT, 4 * WIDTH, 3)
    told: list[str] = []
    ltx.render(segment(), replace(context, degraded=told.append), CAMERA, policy, 0)
    assert told == [], "the next one is whole"
    assert memory.sizes == [(4, 8), (2, 4), (4, 8)]
    assert memory.tiled == [False, True, False]


def test_a_clip_that_was_diffused_smaller_says_so(ltx: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    LittleMemory(monkeypatch, failures=1)
    told: list[str] = []
    policy = replace(POLICY, long_side_px=4 * WIDTH)
    render_segment([segment()], 0, CAMERA, ltx, policy, 0, degraded=told.append)
    assert told == ["diffused at 128x64, 1/2 of the side, for lack of memory"]


def test_lack_of_memory_twice_is_an_error_that_says_what_to_set(
    ltx: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = LittleMemory(monkeypatch, failures=2)
    with pytest.raises(RenderError, match=r"9 frames of 32x32 do not fit .* lower frames or long_side_px"):
        ltx.render(segment(), NOBODY, CAMERA, POLICY, 0)
    assert len(memory.sizes) == 2


def test_what_the_library_refuses_is_a_render_error(ltx: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise ValueError("no such prompt")

    monkeypatch.setattr(LTXConditionPipeline, "encode_prompt", refuse)
    with pytest.raises(RenderError, match="no such prompt"):
        ltx.render(segment(), NOBODY, CAMERA, POLICY, 0)


def test_values_that_are_no_picture_are_an_error(ltx: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object, **__: object) -> tuple[torch.Tensor]:
        return (torch.full((1, 3, 9, HEIGHT, WIDTH), torch.nan),)

    monkeypatch.setattr(AutoencoderKLLTXVideo, "decode", burst)
    with pytest.raises(RenderError, match="try dtype bf16 or fp32"):
        ltx.render(segment(), NOBODY, CAMERA, POLICY, 0)


def test_each_renderer_computes_with_its_own_attention(
    tmp_path: Path, ltx_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Diffusers keeps one backend for the process: the last that was set."""
    registry = attention_dispatch._AttentionBackendRegistry  # noqa: SLF001 -- there is no other way to ask
    before = registry.get_active_backend()
    used: list[str] = []
    work: Callable[..., object] = LTXVideoTransformer3DModel.forward

    def forward(model: object, *inputs: object, **named: object) -> object:
        used.append(registry.get_active_backend()[0].value)
        return work(model, *inputs, **named)

    def renderer(name: str, attention: str) -> DiffusionRenderer:
        return DiffusionRenderer(diffusion_bundle(tmp_path / name, "ltx", ltx_models, attention=attention))

    monkeypatch.setattr(LTXVideoTransformer3DModel, "forward", forward)
    plain, chosen, other = renderer("plain", ""), renderer("chosen", "_native_math"), renderer("other", "")
    assert registry.get_active_backend() == before, "what else this process computes is left alone"
    for one in (plain, chosen, other, plain):
        one.render(segment(), NOBODY, CAMERA, replace(POLICY, steps=1, guidance=1.0), 0)
    assert used == ["native", "_native_math", "native", "native"]
