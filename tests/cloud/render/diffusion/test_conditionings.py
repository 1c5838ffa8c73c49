"""What each pipeline is told, and that it listens: real pipeline classes with tiny random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLLTXVideo,
    LTXConditionPipeline,
    WanImageToVideoPipeline,
    WanPipeline,
)
from numpy.typing import NDArray

from cloud.render.anchors import NO_SCENERY, Scenery
from cloud.render.clip import render_segment
from cloud.render.diffusion.renderer import DiffusionRenderer
from cloud.render.renderer import Context, Renderer, RenderError
from tests.cloud.render.diffusion.studio import (
    CAMERA,
    HEIGHT,
    POLICY,
    WIDTH,
    bare,
    carried,
    diffusion_bundle,
    picture,
    segment,
    with_vector,
)
from tests.pipelines import Models, WanKind, tiny_wan
from wire.policy import Policy
from wire.segment import Segment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy, by diffusers' schedulers

NOBODY = Context(None, None)
NEXT = segment(2, start_ms=1000)


def render(
    renderer: Renderer, one: Segment, context: Context = NOBODY, policy: Policy = POLICY, seed: int = 3
) -> NDArray[np.uint8]:
    frames = renderer.render(one, context, CAMERA, policy, seed)
    assert frames.shape == (8, HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8
    return frames


def all_differ(*clips: NDArray[np.uint8]) -> bool:
    return len({clip.tobytes() for clip in clips}) == len(clips)


class Calls:
    """What a pipeline class was called with, before it did its work."""

    def __init__(self, patch: pytest.MonkeyPatch, kind: type) -> None:
        self.seen: list[dict[str, object]] = []
        work = kind.__call__

        def called(pipe: object, **asked: object) -> object:
            self.seen.append(asked)
            return work(pipe, **asked)

        patch.setattr(kind, "__call__", called)


@pytest.mark.parametrize("name", ["ltx", "wan", "animatediff"])
def test_words_and_seeds_change_the_clip_and_nothing_else_does(
    name: str, request: pytest.FixtureRequest
) -> None:
    renderer: Renderer = request.getfixturevalue(name)
    told = segment() if name != "animatediff" else with_vector(segment(), 1)
    first = render(renderer, told)
    assert np.array_equal(first, render(renderer, told))
    assert all_differ(
        first,
        render(renderer, replace(told, caption="a white boat")),
        render(renderer, replace(told, caption=None)),
        render(renderer, told, policy=replace(POLICY, style_prompt="in the rain")),
        render(renderer, told, policy=replace(POLICY, negative_prompt="rain")),
        render(renderer, told, policy=replace(POLICY, steps=3)),
        render(renderer, told, policy=replace(POLICY, guidance=1.0)),
        render(renderer, told, seed=4),
        render(renderer, replace(told, sequence=9)),
    )


@pytest.mark.parametrize("name", ["ltx", "wan"])
def test_pictures_change_the_clip(name: str, request: pytest.FixtureRequest) -> None:
    renderer: Renderer = request.getfixturevalue(name)
    count = renderer.carries
    assert all_differ(
        render(renderer, bare(segment())),
        render(renderer, segment()),
        render(renderer, segment(7)),
        render(renderer, segment(), Context(None, NEXT)),
        render(renderer, segment(), Context(None, segment(8, start_ms=1000))),
        render(renderer, segment(), Context(None, None, carried(1, count))),
        render(renderer, segment(), Context(None, None, carried(2, count))),
        render(renderer, bare(segment()), Context(None, None, anchors=(picture(1),))),
        render(renderer, segment(), Context(None, None, anchors=(picture(1),))),
    )


def test_a_vector_an_anchor_and_a_carried_frame_change_the_clip(animatediff: Renderer) -> None:
    told = with_vector(segment(), 1)
    assert all_differ(
        render(animatediff, bare(segment())),
        render(animatediff, told),
        render(animatediff, with_vector(segment(), 2)),
        render(animatediff, told, Context(None, None, carried(1, 1))),
        render(animatediff, told, Context(None, None, carried(2, 1))),
        render(animatediff, told, Context(None, None, anchors=(picture(1),))),
        render(animatediff, bare(segment()), Context(None, None, anchors=(picture(1),))),
        render(animatediff, bare(segment()), Context(None, None, anchors=(picture(2),))),
    )


def test_the_transmitted_vector_is_what_the_adapter_gets(
    animatediff: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch, AnimateDiffPipeline)
    told = with_vector(segment(), 1)
    render(animatediff, told)
    render(animatediff, told, policy=replace(POLICY, guidance=1.0))
    render(animatediff, bare(segment()))
    guided, plain, untold = (call["ip_adapter_image_embeds"][0] for call in calls.seen)  # type: ignore[index]
    assert tuple(guided.shape) == (2, 1, 12)
    assert tuple(plain.shape) == (1, 1, 12)
    assert torch.equal(guided[1], plain[0])
    assert not guided[0].any()
    assert not untold.any()
    assert told.vector is not None
    assert np.corrcoef(plain[0, 0].numpy(), told.vector)[0, 1] > 0.9


def test_ltx_gets_pictures_at_their_true_frames(ltx: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, LTXConditionPipeline)
    own, following = segment(keyframe_ms=500), segment(2, start_ms=1000, keyframe_ms=250)
    render(ltx, own, Context(None, following, carried(1, 9)))
    render(ltx, bare(segment()))
    (asked, untold) = calls.seen
    conditions = asked["conditions"]
    assert [condition.frame_index for condition in conditions] == [0, 9 + 4, 9 + 10]  # type: ignore[attr-defined]
    assert len(conditions[0].video) == 9  # type: ignore[index]
    assert (asked["num_frames"], asked["frame_rate"]) == (25, 8.0)
    assert (asked["width"], asked["height"]) == (WIDTH, HEIGHT)
    assert untold["conditions"] is None


def test_ltx_reads_carried_frames_as_video_and_keyframes_as_pictures(
    ltx: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[torch.Size] = []
    work = AutoencoderKLLTXVideo.encode

    def encode(vae: AutoencoderKLLTXVideo, pixels: torch.Tensor) -> object:
        encoded.append(pixels.shape)
        return work(vae, pixels)

    monkeypatch.setattr(AutoencoderKLLTXVideo, "encode", encode)
    render(ltx, segment(), Context(None, None, carried(1, 9)))
    assert encoded == [(1, 3, 9, HEIGHT, WIDTH), (1, 3, 1, HEIGHT, WIDTH)]


def test_wan_gets_the_first_and_the_last_picture(wan: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch, WanImageToVideoPipeline)
    frames = carried(1, 1)
    render(wan, segment(), Context(None, NEXT))
    render(wan, segment(), Context(None, NEXT, frames))
    render(wan, bare(segment()))
    (keyed, going_on, untold) = calls.seen
    assert not np.array_equal(np.asarray(keyed["image"]), np.asarray(keyed["last_image"]))
    assert np.array_equal(np.asarray(going_on["image"]), frames[0])
    assert np.array_equal(np.asarray(going_on["last_image"]), np.asarray(keyed["last_image"]))
    assert np.ptp(np.asarray(untold["image"])) == 0
    assert (keyed["num_frames"], keyed["width"], keyed["height"]) == (5, WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("kind", "takes"),
    [("i2v", {"image"}), ("flf2v", {"image", "last_image"}), ("i2v-2.2", {"image", "last_image"}),
     ("ti2v", {"image"}), ("t2v", set())],
)  # fmt: skip
def test_each_wan_takes_the_pictures_that_it_was_trained_for(
    kind: WanKind, takes: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tiny_wan(tmp_path / "models", kind)
    renderer = DiffusionRenderer(diffusion_bundle(tmp_path / "bundle", "wan", models, frames=5, fps=4.0))
    calls = Calls(monkeypatch, WanPipeline if kind == "t2v" else WanImageToVideoPipeline)
    seen, told = (render(renderer, one, Context(None, NEXT)) for one in (segment(), bare(segment())))
    assert takes == calls.seen[0].keys() & {"image", "last_image"}
    assert np.array_equal(seen, told) == (kind == "t2v")
    assert renderer.carries == (kind != "t2v")


def test_a_wan_of_one_picture_keeps_to_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tiny_wan(tmp_path / "models", "i2v")
    renderer = DiffusionRenderer(diffusion_bundle(tmp_path / "bundle", "wan", models, frames=5, fps=4.0))
    calls = Calls(monkeypatch, WanImageToVideoPipeline)
    frames = carried(1, 1)
    render(renderer, segment())
    render(renderer, segment(), Context(None, None, frames))
    render(renderer, bare(segment()), Context(None, None, frames))
    keyframe, still_it, before = (np.asarray(call["image"]) for call in calls.seen)
    assert np.array_equal(keyframe, still_it)
    assert np.array_equal(before, frames[0])


def test_wan_2_2_without_a_picture_is_text_to_video(tmp_path: Path) -> None:
    clips = []
    kinds: tuple[WanKind, ...] = ("ti2v", "t2v")
    for kind in kinds:
        models = tiny_wan(tmp_path / kind, kind)
        bundle = diffusion_bundle(tmp_path / f"{kind}-bundle", "wan", models, frames=5, fps=4.0)
        clips.append(render(DiffusionRenderer(bundle), bare(segment())).astype(int))
    assert np.abs(clips[0] - clips[1]).max() <= 1


def test_an_anchor_needs_an_image_encoder(animatediff_models: Models, tmp_path: Path) -> None:
    models = {role: source for role, source in animatediff_models.items() if role != "image_encoder"}
    renderer = DiffusionRenderer(diffusion_bundle(tmp_path, "animatediff", models, frames=2))
    render(renderer, with_vector(segment(), 1))
    with pytest.raises(RenderError, match=r"renderer.models.image_encoder\]: is missing"):
        render(renderer, segment(), Context(None, None, anchors=(picture(1),)))


def test_strength_0_leaves_a_picture_out(ltx_models: Models, tmp_path: Path) -> None:
    bundle = diffusion_bundle(tmp_path, "ltx", ltx_models, keyframe_strength=0.0, anchor_strength=0.0)
    renderer = DiffusionRenderer(bundle)
    anchored = Context(None, NEXT, anchors=(picture(1),))
    assert np.array_equal(render(renderer, segment(), anchored), render(renderer, bare(segment())))


def test_a_stand_in_reaches_the_adapter_and_words_but_nothing_of_the_scene_does(
    animatediff: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch, AnimateDiffPipeline)
    told = with_vector(replace(segment(), caption="an old man in a red coat walks"), 1)
    policy = replace(POLICY, stand_in="figure")
    clips = [
        render_segment([one], 0, CAMERA, animatediff, policy, 3, scenery=scenery)
        for one, scenery in (
            (told, NO_SCENERY),
            (with_vector(told, 2), NO_SCENERY),
            (told, Scenery(figure=picture(1))),
            (told, Scenery(figure=picture(2))),
        )
    ]
    assert np.array_equal(clips[0], clips[1]), "another scene is the same clip"
    assert all_differ(*clips[1:])
    assert {call["prompt"] for call in calls.seen} == {"a grey figure walks"}
    embeddings = [call["ip_adapter_image_embeds"][0] for call in calls.seen]  # type: ignore[index]
    assert [bool(each.any()) for each in embeddings] == [False, False, True, True]


@pytest.mark.parametrize("name", ["ltx", "wan"])
def test_no_keyframe_is_shown_where_stand_ins_are_asked_for(
    name: str, request: pytest.FixtureRequest
) -> None:
    renderer: Renderer = request.getfixturevalue(name)
    policy = replace(POLICY, stand_in="figure")
    one, other = [
        render_segment([each, NEXT], 0, CAMERA, renderer, policy, 3) for each in (segment(), segment(7))
    ]
    assert np.array_equal(one, other)
    assert not np.array_equal(one, render_segment([segment(), NEXT], 0, CAMERA, renderer, POLICY, 3))
