"""What a bundle for diffusers must say, and what is said where it does not."""

import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from diffusers import LTXConditionPipeline

from cloud.render.diffusion.options import read_options
from cloud.render.load import load_renderer
from cloud.render.renderer import Context, RenderError
from tests.cloud.render.diffusion.studio import CAMERA, POLICY, diffusion_bundle, segment
from tests.pipelines import Models, tiny_animatediff
from wire.bundle import Bundle, BundleError, ModelSource

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy, by diffusers' schedulers

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_what_is_left_out_suits_the_pipeline(ltx_models: Models, tmp_path: Path) -> None:
    found = read_options(diffusion_bundle(tmp_path / "ltx", "ltx", ltx_models, steps=7))
    assert (found.steps, found.fps, found.frames, found.carries) == (7, 0, 161, 9)
    found = read_options(diffusion_bundle(tmp_path / "wan", "wan", ltx_models, fps=24))
    assert (found.steps, found.fps, found.frames, found.carries) == (2, 24, 81, 1)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"step": 4}, "unknown field `step`"),
        ({"steps": "4"}, "Expected `int`, got `str` - at `steps`"),
        ({"steps": 0}, "Expected `int` >= 1 - at `steps`"),
        ({"compile": 1}, "Expected `bool`, got `int` - at `compile`"),
        ({"dtype": "bfloat16"}, "Invalid enum value 'bfloat16' - at `dtype`"),
        ({"keyframe_strength": 1.5}, "at `keyframe_strength`"),
        ({"carries": 8}, "carries 8 is not 0, 1, 9, 17"),
        ({"scheduler": "ddim"}, "scheduler 'ddim' is for animatediff, not for ltx"),
    ],
)
def test_an_option_that_is_wrong_is_named(
    ltx_models: Models, tmp_path: Path, options: dict[str, Any], what: str
) -> None:
    bundle = diffusion_bundle(tmp_path, "ltx", ltx_models, **options)
    with pytest.raises(BundleError) as error:
        load_renderer(bundle, threads=1)
    assert f"{tmp_path / 'bundle.toml'}: [renderer.options]: " in str(error.value)
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("pipeline", "options", "what"),
    [
        ("wan", {"keyframe_strength": 0.5}, "wan takes pictures whole"),
        ("wan", {"carries": 9}, "wan goes on from one frame"),
        ("animatediff", {"cache": "first-block"}, "cache is for transformers"),
        ("svd", {}, "Invalid enum value 'svd' - at `pipeline`"),
    ],
)
def test_options_that_a_pipeline_does_not_have_are_refused(
    ltx_models: Models, tmp_path: Path, pipeline: str, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(BundleError, match=what):
        read_options(diffusion_bundle(tmp_path, pipeline, ltx_models, **options))


def refused(
    tmp_path: Path, pipeline: str, models: Models, what: str, options: dict[str, Any] | None = None
) -> None:
    bundle = diffusion_bundle(tmp_path / "refused", pipeline, models, **options or {})
    with pytest.raises(BundleError) as error:
        load_renderer(bundle, threads=1)
    assert "bundle.toml" in str(error.value)
    assert what in str(error.value)


def test_a_model_that_is_not_named_is_an_error(tmp_path: Path) -> None:
    refused(tmp_path, "ltx", {}, "[renderer.models.pipeline]: is missing")


def test_a_model_that_the_pipeline_does_not_load_is_an_error(ltx_models: Models, tmp_path: Path) -> None:
    models = {**ltx_models, "vae": ltx_models["pipeline"]}
    refused(tmp_path, "ltx", models, "[renderer.models]: ltx loads ['pipeline'], not vae")


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    models = {"pipeline": ModelSource("./pipeline")}
    refused(
        tmp_path, "ltx", models, f"[renderer.models.pipeline]: no folder {tmp_path / 'refused' / 'pipeline'}"
    )


def test_another_pipeline_is_an_error(wan_models: Models, tmp_path: Path) -> None:
    refused(tmp_path, "ltx", wan_models, "[renderer.models.pipeline]")


def test_another_denoiser_is_an_error(ltx_models: Models, wan_models: Models, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(ltx_models["pipeline"].model, mixed)
    shutil.rmtree(mixed / "transformer")
    shutil.copytree(Path(wan_models["pipeline"].model) / "transformer", mixed / "transformer")
    refused(tmp_path, "ltx", {"pipeline": ModelSource(str(mixed))}, "[renderer.models.pipeline]")


def test_damaged_weights_are_an_error(ltx_models: Models, tmp_path: Path) -> None:
    shutil.copytree(ltx_models["pipeline"].model, tmp_path / "cut")
    (weights,) = (tmp_path / "cut" / "transformer").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(tmp_path, "ltx", {"pipeline": ModelSource(str(tmp_path / "cut"))}, "cannot be loaded")


def test_a_hub_that_cannot_be_reached_is_the_machines_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    models = {"pipeline": ModelSource("nobody/no-such-model", revision=COMMIT)}
    with pytest.raises(RenderError, match=r"nobody/no-such-model cannot be loaded: .* is the network up"):
        load_renderer(diffusion_bundle(tmp_path, "ltx", models), threads=1)


def test_a_package_that_a_model_needs_is_the_machines_trouble(
    ltx_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_pretrained(*_: object, **__: object) -> object:
        raise ImportError("T5Tokenizer requires the SentencePiece library")

    monkeypatch.setattr(LTXConditionPipeline, "from_pretrained", from_pretrained)
    with pytest.raises(RenderError, match="requires the SentencePiece library"):
        load_renderer(ltx_bundle, threads=1)


def test_diffusers_must_be_installed(ltx_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloud.render.diffusion.renderer", None)
    with pytest.raises(RenderError, match=r"mirage-video\[cloud,gpu\]"):
        load_renderer(ltx_bundle, threads=1)


def test_keyframes_need_a_decoder(ltx_models: Models, tmp_path: Path) -> None:
    bundle = diffusion_bundle(tmp_path, "ltx", ltx_models, decoder=False)
    with pytest.raises(BundleError, match=r"\[renderer\] decoder is missing"):
        load_renderer(bundle, threads=1)


def test_an_adapter_for_other_embeddings_is_an_error(tmp_path: Path) -> None:
    models = tiny_animatediff(tmp_path / "models", embed_dim=16)
    what = "takes embeddings of size 16: [vector] size must be that, it is 12"
    refused(tmp_path, "animatediff", models, what)


def test_an_adapter_without_the_name_of_its_file_is_an_error(
    animatediff_models: Models, tmp_path: Path
) -> None:
    models = {**animatediff_models, "ip_adapter": ModelSource(animatediff_models["ip_adapter"].model)}
    refused(tmp_path, "animatediff", models, "[renderer.models.ip_adapter]: needs weights")
    models["ip_adapter"] = ModelSource(animatediff_models["ip_adapter"].model, weights="no.safetensors")
    refused(tmp_path / "again", "animatediff", models, "[renderer.models.ip_adapter]")


def test_more_frames_than_the_motion_modules_know_are_refused(
    animatediff_models: Models, tmp_path: Path
) -> None:
    refused(tmp_path, "animatediff", animatediff_models, "32 frames at most", {"frames": 33})


@pytest.mark.parametrize("attention", ["quick", "flash"])
def test_attention_that_is_not_here_is_an_error(ltx_models: Models, tmp_path: Path, attention: str) -> None:
    refused(
        tmp_path, "ltx", ltx_models, f"attention '{attention}' cannot be used here", {"attention": attention}
    )


@pytest.mark.parametrize("pipeline", ["ltx", "wan", "animatediff"])
def test_all_that_may_be_set_can_be_loaded(
    pipeline: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    models: Models = request.getfixturevalue(f"{pipeline}_models")
    options: dict[str, Any] = {
        "dtype": "fp16", "device": "auto", "long_side_px": 32, "attention": "native", "vae_tiling": True,
        "vae_slicing": True, "offload": "model", "style_prompt": "a photo", "negative_prompt": "blurred",
        "carries": 0, "frames": 9,
    }  # fmt: skip
    if pipeline == "animatediff":
        options |= {"scheduler": "ddim"}
    else:
        options |= {"cache": "first-block", "cache_threshold": 0.2}
    renderer = load_renderer(diffusion_bundle(tmp_path, pipeline, models, **options), threads=1)
    frames = renderer.render(segment(), Context(None, None), CAMERA, POLICY, 0)
    assert frames.shape == (8, CAMERA.height, CAMERA.width, 3)
    assert renderer.carries == 0
