"""Image embeddings of every class, exported: the graph says what PyTorch says."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionModelWithProjection, Dinov2Model, SiglipVisionModel, ViTConfig, ViTModel

from edge.runtime import Runtime
from export.encoders.load import ModelFilesError, UnsupportedModelError, load_vector_encoder
from export.encoders.vector import GRAPH, VectorEncoder
from export.graph_file import opset, read_graph
from export.operators import tensorrt_problems
from export.precision import quantise_static, to_fp16
from export.simplify import simplify
from tests.encoders import IMAGENET, INPUT_PX, tiny_clip, tiny_clip_vision, tiny_dinov2, tiny_siglip
from wire.golden import Agreement, agreement

pytestmark = [
    # Graphs are exported through TorchScript, which torch announces the end of in many words.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "clip-vision": tiny_clip_vision,
    "clip": tiny_clip,
    "siglip": tiny_siglip,
    "dinov2": tiny_dinov2,
}
PICTURES = 20


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(tmp_path_factory.mktemp(name)) for name, build in BUILDERS.items()}


@pytest.fixture(scope="module", params=BUILDERS)
def exported(
    request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[VectorEncoder, Path]:
    encoder = load_vector_encoder(str(folders[request.param]), None)
    folder = tmp_path_factory.mktemp("exported")
    encoder.export(folder)
    simplify(folder / GRAPH)
    return encoder, folder / GRAPH


def _pixels(seed: int = 0, count: int = PICTURES) -> torch.Tensor:
    """Draw smooth pictures, as normalised pixels."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=random) * 4 - 2
    return torch.nn.functional.interpolate(coarse, (INPUT_PX, INPUT_PX), mode="bilinear")


def _graph(path: Path, pixels: torch.Tensor) -> NDArray[np.float32]:
    graph = Runtime().open(path)
    return np.concatenate([graph.run({"pixel_values": one[None]})["embedding"] for one in pixels.numpy()])


def _worst(encoder: VectorEncoder, path: Path) -> Agreement:
    pixels = _pixels()
    worst = Agreement(0.0, 1.0, 1.0)
    for wanted, found in zip(encoder.embed(pixels).numpy(), _graph(path, pixels), strict=True):
        worst = worst.worse(agreement({"embedding": wanted}, {"embedding": found}))
    return worst


def test_the_graph_gives_pytorchs_embedding(exported: tuple[VectorEncoder, Path]) -> None:
    encoder, path = exported
    spread = encoder.embed(_pixels()).numpy().std(0).mean()
    worst = _worst(encoder, path)
    assert worst.max_abs_error < 1e-3 * spread
    assert worst.cosine > 0.999999
    assert spread > 0.1  # pictures differ, or the numbers above would say nothing


def test_the_graph_has_one_input_and_one_output_of_fixed_sizes(exported: tuple[VectorEncoder, Path]) -> None:
    encoder, path = exported
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (inlet,), (outlet,) = session.get_inputs(), session.get_outputs()
    assert (inlet.name, inlet.type, inlet.shape) == (
        "pixel_values", "tensor(float)", [1, 3, INPUT_PX, INPUT_PX]
    )  # fmt: skip
    assert (outlet.name, outlet.type, outlet.shape) == ("embedding", "tensor(float)", [1, encoder.size])


def test_devices_can_load_the_graph(exported: tuple[VectorEncoder, Path]) -> None:
    _, path = exported
    assert opset(read_graph(path)) == 18
    assert read_graph(path).ir_version <= 10
    assert tensorrt_problems(path) == []


def test_half_precision_is_near(exported: tuple[VectorEncoder, Path], tmp_path: Path) -> None:
    encoder, path = exported
    half = Path(shutil.copy(path, tmp_path))
    to_fp16(half)
    assert _worst(encoder, half).cosine > 0.999
    assert half.stat().st_size < 0.7 * path.stat().st_size
    assert tensorrt_problems(half) == []


def test_eight_bits_are_near(exported: tuple[VectorEncoder, Path], tmp_path: Path) -> None:
    encoder, path = exported
    small = Path(shutil.copy(path, tmp_path))
    quantise_static(small, ({"pixel_values": one[None]} for one in _pixels(seed=1).numpy()))
    assert _worst(encoder, small).cosine > 0.9  # random weights: every rounding counts
    assert small.stat().st_size < 0.6 * path.stat().st_size
    assert tensorrt_problems(small) == []


def test_samples_are_what_the_model_gives(exported: tuple[VectorEncoder, Path]) -> None:
    encoder, path = exported
    (name, samples), *others = encoder.samples(_pixels(count=3)).items()
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert (name, len(samples), others) == (GRAPH, 3, [])
    for sample in samples:
        found = dict(zip(["embedding"], session.run(None, dict(sample.feeds)), strict=True))
        assert agreement(sample.results, found).cosine > 0.999999


def test_clip_gives_what_an_ip_adapter_takes(folders: dict[str, Path]) -> None:
    encoder = load_vector_encoder(str(folders["clip-vision"]), None)
    model = CLIPVisionModelWithProjection.from_pretrained(folders["clip-vision"]).eval()
    with torch.no_grad():
        expected = model(pixel_values=_pixels()).image_embeds
    assert (encoder.kind, encoder.size) == ("CLIPVisionModelWithProjection", 32)
    assert torch.equal(encoder.embed(_pixels()), expected)
    assert encoder.parameters == sum(weights.numel() for weights in model.parameters())


def test_a_whole_clip_gives_its_vision_half(folders: dict[str, Path]) -> None:
    encoder = load_vector_encoder(str(folders["clip"]), None)
    assert (encoder.kind, encoder.size) == ("CLIPVisionModelWithProjection", 32)
    assert encoder.mean == (0.48145466, 0.4578275, 0.40821073)  # it has no processor: CLIP's own


def test_the_projection_of_a_whole_clip_has_the_size_that_the_whole_names(tmp_path: Path) -> None:
    assert load_vector_encoder(str(tiny_clip(tmp_path, size=20)), None).size == 20


def test_siglip_gives_its_pooled_output(folders: dict[str, Path]) -> None:
    encoder = load_vector_encoder(str(folders["siglip"]), None)
    model = SiglipVisionModel.from_pretrained(folders["siglip"]).eval()
    with torch.no_grad():
        assert torch.equal(encoder.embed(_pixels()), model(pixel_values=_pixels()).pooler_output)
    assert (encoder.kind, encoder.mean, encoder.std) == ("SiglipVisionModel", (0.5,) * 3, (0.5,) * 3)


def test_dinov2_gives_its_class_token_at_the_size_of_its_processor(folders: dict[str, Path]) -> None:
    encoder = load_vector_encoder(str(folders["dinov2"]), None)
    model = Dinov2Model.from_pretrained(folders["dinov2"]).eval()
    assert (encoder.kind, encoder.input_px, model.config.image_size) == ("Dinov2Model", INPUT_PX, 112)
    with torch.no_grad():
        expected = model(pixel_values=_pixels()).last_hidden_state[:, 0]
    assert torch.allclose(encoder.embed(_pixels()), expected, atol=1e-5)
    assert (encoder.mean, encoder.std) == IMAGENET


@pytest.mark.parametrize(
    ("changes", "mean", "std"),
    [
        ({"do_normalize": False}, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        (
            {"rescale_factor": 2 / 255, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
            (0.5,) * 3,
            (0.5,) * 3,
        ),
        ({"do_rescale": False, "image_mean": [51] * 3, "image_std": [255] * 3}, (0.2,) * 3, (1.0,) * 3),
    ],
)
def test_the_processor_says_how_pictures_are_normalised(
    folders: dict[str, Path], tmp_path: Path, changes: dict[str, object], mean: object, std: object
) -> None:
    folder = _changed(folders["clip-vision"], tmp_path, "preprocessor_config.json", changes)
    encoder = load_vector_encoder(str(folder), None)
    assert (encoder.mean, encoder.std) == (mean, std)


def test_an_unsupported_class_is_named_with_those_that_are(tmp_path: Path) -> None:
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ViTModel(ViTConfig(**size)).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="ViTModel") as error:
        load_vector_encoder(str(tmp_path), None)
    for name in ("CLIPVisionModelWithProjection", "SiglipVisionModel", "Dinov2Model"):
        assert name in str(error.value)


@pytest.mark.parametrize(
    ("missing", "named"),
    [("config.json", r"has no config\.json"), ("model.safetensors", r"has no model\.safetensors")],
)
def test_a_missing_file_is_named(folders: dict[str, Path], tmp_path: Path, missing: str, named: str) -> None:
    shutil.copytree(folders["clip-vision"], tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    with pytest.raises(ModelFilesError, match=named) as error:
        load_vector_encoder(str(tmp_path / "model"), None)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="nowhere"):
        load_vector_encoder(str(tmp_path / "nowhere"), None)


def test_a_model_without_a_projection_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders["clip-vision"], folder)
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFilesError, match=r"visual_projection\.weight"):
        load_vector_encoder(str(folder), None)


def test_half_written_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders["siglip"], folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFilesError) as error:
        load_vector_encoder(str(folder), None)
    assert "\n" not in str(error.value)


def test_a_picture_that_is_no_multiple_of_a_patch_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    crop = {"crop_size": {"height": 60, "width": 60}}
    folder = _changed(folders["dinov2"], tmp_path, "preprocessor_config.json", crop)
    with pytest.raises(UnsupportedModelError, match="60"):
        load_vector_encoder(str(folder), None)


def _changed(model: Path, tmp_path: Path, name: str, changes: Mapping[str, object]) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | dict(changes)))
    return folder
