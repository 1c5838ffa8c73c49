"""AutoencoderVidTok as a tokenizer of stills: PyTorch and the exported graphs give the original's tokens."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderVidTok
from numpy.typing import NDArray

from edge.runtime import Runtime
from export.encoders import load
from export.encoders.load import ModelFilesError, UnsupportedModelError, load_token_codec
from export.encoders.still import flattened
from export.encoders.tokens import DECODER, ENCODER, TokenCodec, to_code
from export.graph_file import opset, read_graph
from export.operators import tensorrt_problems
from export.precision import quantise_dynamic, quantise_static, to_fp16
from export.simplify import simplify
from tests.encoders import tiny_vidtok, tiny_vidtok_model
from wire.golden import agreement

pytestmark = [
    # Graphs are exported through TorchScript, which torch announces the end of in many words.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
PICTURES = 20
INPUT_PX = 32
RATIOS = (8, 16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return {ratio: tiny_vidtok(tmp_path_factory.mktemp(f"ratio-{ratio}"), ratio) for ratio in RATIOS}


@pytest.fixture(scope="module", params=RATIOS)
def codec(request: pytest.FixtureRequest, folders: dict[int, Path]) -> TokenCodec:
    return load_token_codec(str(folders[request.param]), None, input_px=INPUT_PX)


@pytest.fixture(scope="module")
def exported(codec: TokenCodec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    before = codec.encode(_pictures(2))
    codec.export(folder)
    assert np.array_equal(codec.encode(_pictures(2)), before)  # exporting changes nothing of the model
    assert sorted(path.name for path in folder.iterdir()) == [DECODER, ENCODER]
    simplify(folder / ENCODER)
    simplify(folder / DECODER)
    return folder


def _pictures(count: int = PICTURES, seed: int = 0) -> torch.Tensor:
    """Draw smooth pictures (N, 3, S, S) in 0..1."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (INPUT_PX, INPUT_PX), mode="bilinear")


def _session(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _encoded(path: Path, pictures: torch.Tensor) -> NDArray[np.int32]:
    graph = Runtime().open(path)
    (name,) = graph.outputs
    return np.concatenate([graph.run({"image": one[None]})[name] for one in pictures.numpy()])


def test_tokens_are_the_digits_of_the_originals_indices(codec: TokenCodec) -> None:
    """`forward` of the original leads the picture in by itself."""
    tokens = codec.encode(_pictures())
    with torch.no_grad():
        _, indices = codec.model((_pictures() * 2 - 1).unsqueeze(2), encoder_mode=True)
    places = 8 ** np.arange(codec.planes).reshape(-1, 1, 1)
    assert np.array_equal((tokens * places).sum(1), indices[:, 0].numpy())
    assert tokens.dtype == np.uint8
    assert tokens.shape == (PICTURES, codec.planes, *codec.grid)
    assert len(np.unique(tokens)) == codec.levels == 8


def test_decoding_is_the_originals_from_indices(codec: TokenCodec) -> None:
    tokens = codec.encode(_pictures())
    indices = torch.from_numpy((tokens * 8 ** np.arange(codec.planes).reshape(-1, 1, 1)).sum(1))
    with torch.no_grad():
        frames = codec.model.decode(indices.unsqueeze(1), decode_from_indices=True)
    assert frames.shape[2] == 1
    expected = ((frames[:, :, 0] + 1) / 2).clamp(0, 1)
    assert torch.allclose(codec.decode(tokens), expected, atol=1e-3)
    assert expected.std() > 0.05


def test_the_graph_gives_the_originals_tokens(codec: TokenCodec, exported: Path) -> None:
    found = _encoded(exported / ENCODER, _pictures())
    assert found.dtype == np.int32
    assert np.array_equal(found, codec.encode(_pictures()))


def test_the_decoder_graph_gives_the_originals_pictures_in_batches(codec: TokenCodec, exported: Path) -> None:
    tokens = codec.encode(_pictures())
    session = _session(exported / DECODER)
    (found,) = session.run(None, {"code": to_code(tokens)})
    (alone,) = session.run(None, {"code": to_code(tokens[:1])})
    assert agreement({"image": codec.decode(tokens).numpy()}, {"image": found}).max_abs_error < 1e-3
    assert np.allclose(found[:1], alone, atol=1e-3)
    assert found.min() >= 0
    assert found.max() <= 1


def test_unknown_tokens_lie_between_the_two_levels_in_the_middle(codec: TokenCodec, exported: Path) -> None:
    code = np.zeros((1, codec.planes, *codec.grid), np.float32)
    (found,) = _session(exported / DECODER).run(None, {"code": code})
    with torch.no_grad():
        latent = torch.full((1, codec.planes, 1, *codec.grid), -1 / 8)  # of -1/4 and 0
        expected = ((codec.model.decode(latent)[:, :, 0] + 1) / 2).clamp(0, 1)
    assert np.allclose(found, expected.numpy(), atol=1e-3)


def test_graphs_keep_no_state_and_devices_can_load_them(codec: TokenCodec, exported: Path) -> None:
    for name, values in ((ENCODER, ("image", "tokens")), (DECODER, ("code", "image"))):
        model, session = read_graph(exported / name), _session(exported / name)
        (inlet,), (outlet,) = session.get_inputs(), session.get_outputs()
        assert (inlet.name, outlet.name) == values
        assert opset(model) == 18
        assert model.ir_version <= 10
        assert tensorrt_problems(exported / name) == []
    assert _session(exported / ENCODER).get_inputs()[0].shape == [1, 3, INPUT_PX, INPUT_PX]
    assert _session(exported / ENCODER).get_outputs()[0].shape == [1, codec.planes, *codec.grid]


def test_a_still_needs_a_third_of_the_weights_and_gives_the_same(codec: TokenCodec) -> None:
    flat = flattened(codec.model.encoder)
    videos = (_pictures() * 2 - 1).unsqueeze(2)
    with torch.no_grad():
        _, indices = codec.model.encode(videos.repeat(1, 1, 4, 1, 1))
        latent = flat(videos)
        _, found = codec.model.regularization(latent)
    assert torch.equal(found, indices)
    convolutions = [m for m in flat.modules() if isinstance(m, torch.nn.Conv3d | torch.nn.Conv1d)]
    assert convolutions == []


def test_samples_are_what_the_model_gives_some_with_planes_missing(codec: TokenCodec, exported: Path) -> None:
    samples = codec.samples(_pictures(4))
    assert {name: len(kept) for name, kept in samples.items()} == {ENCODER: 4, DECODER: 8}
    for name, kept in samples.items():
        session = _session(exported / name)
        for sample in kept:
            results = session.run(None, dict(sample.feeds))
            found = dict(zip(sample.results, results, strict=True))
            assert agreement(sample.results, found).equal == 1
            assert agreement(sample.results, found).cosine > 0.99999
    missing = [int((sample.feeds["code"] == 0).all((0, 2, 3)).sum()) for sample in samples[DECODER]]
    assert missing == [0, 2] * 4


def test_half_precision_is_near(codec: TokenCodec, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    tokens = codec.encode(_pictures())
    for name in (ENCODER, DECODER):
        to_fp16(tmp_path / name)
        assert (tmp_path / name).stat().st_size < 0.7 * (exported / name).stat().st_size
        assert tensorrt_problems(tmp_path / name) == []
    assert (_encoded(tmp_path / ENCODER, _pictures()) == tokens).mean() > 0.97
    (found,) = _session(tmp_path / DECODER).run(None, {"code": to_code(tokens)})
    assert agreement({"image": codec.decode(tokens).numpy()}, {"image": found}).cosine > 0.999


def test_eight_bits_are_near(codec: TokenCodec, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    quantise_static(tmp_path / ENCODER, ({"image": one[None]} for one in _pictures(seed=1).numpy()))
    quantise_dynamic(tmp_path / DECODER)
    assert tensorrt_problems(tmp_path / ENCODER) == []
    found, tokens = _encoded(tmp_path / ENCODER, _pictures()), codec.encode(_pictures())
    assert np.abs(found.astype(int) - tokens).mean() < 1.0  # of 7: random weights, every rounding counts
    (picture,) = _session(tmp_path / DECODER).run(None, {"code": to_code(tokens)})
    assert agreement({"image": codec.decode(tokens).numpy()}, {"image": picture}).cosine > 0.99


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_projects_own_checkpoints_give_the_same_tokens(
    ratio: int, folders: dict[int, Path], tmp_path: Path
) -> None:
    whole = load_token_codec(str(folders[ratio]), None, input_px=INPUT_PX)
    weights = dict(whole.model.state_dict()) | {"loss.logvar": torch.zeros(1)}
    torch.save({"state_dict": weights, "global_step": 3}, tmp_path / "vidtok.ckpt")
    codec = load_token_codec(str(tmp_path), None, input_px=INPUT_PX, weights="vidtok.ckpt")
    assert dict(codec.model.config)["ch_mult"] == dict(whole.model.config)["ch_mult"]
    assert (codec.grid, codec.planes, codec.parameters) == (whole.grid, whole.planes, whole.parameters)
    assert np.array_equal(codec.encode(_pictures(4)), whole.encode(_pictures(4)))


def test_a_checkpoint_may_halve_time_and_space_at_other_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = AutoencoderVidTok(
        ch=8, ch_mult=[1, 2, 2], z_channels=3, double_z=False, num_res_blocks=2, regularizer="fsq",
        codebook_size=512, spatial_ds=[0, 1], tempo_ds=[1], spatial_us=[1, 2], tempo_us=[2],
    ).eval()  # fmt: skip
    torch.save(model.state_dict(), tmp_path / "vidtok.ckpt")
    codec = load_token_codec(str(tmp_path), None, input_px=32, weights="vidtok.ckpt")
    pictures = _pictures(2)
    with torch.no_grad():
        _, indices = model((pictures * 2 - 1).unsqueeze(2), encoder_mode=True)
    places = 8 ** np.arange(3).reshape(-1, 1, 1)
    assert np.array_equal((codec.encode(pictures) * places).sum(1), indices[:, 0].numpy())
    assert codec.model.temporal_compression_ratio == 2
    codec.export(tmp_path)
    assert np.array_equal(_encoded(tmp_path / ENCODER, pictures), codec.encode(pictures))


def test_a_checkpoint_is_fetched_from_the_hub_at_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(tiny_vidtok_model().state_dict(), tmp_path / "vidtok.ckpt")
    asked: list[tuple[str, str, str | None, str | None]] = []

    def fetch(place: str, name: str, *, subfolder: str | None, revision: str | None) -> str:
        asked.append((place, name, subfolder, revision))
        return str(tmp_path / name)

    monkeypatch.setattr(load, "hf_hub_download", fetch)
    load_token_codec("some/model", "0" * 40, "checkpoints", input_px=INPUT_PX, weights="vidtok.ckpt")
    assert asked == [("some/model", "vidtok.ckpt", "checkpoints", "0" * 40)]


def test_a_hub_that_does_not_answer_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError("cannot reach\nthe hub")

    monkeypatch.setattr(load, "hf_hub_download", fail)
    with pytest.raises(ModelFilesError, match=r"^some/model at 0+: config\.json: cannot reach the hub$"):
        load_token_codec("some/model", "0" * 40, input_px=INPUT_PX)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_what_is_no_checkpoint_is_an_error_that_names_it(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        torch.save({"state_dict": {"encoder.conv_in.weight": torch.zeros(1)}}, tmp_path / "x.ckpt")
    else:
        (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(ModelFilesError, match=r"x\.ckpt") as error:
        load_token_codec(str(tmp_path), None, weights="x.ckpt")
    assert "\n" not in str(error.value)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "trap": Path("x")}, tmp_path / "x.ckpt")
    with pytest.raises(ModelFilesError, match=r"x\.ckpt"):
        load_token_codec(str(tmp_path), None, weights="x.ckpt")


def test_continuous_latents_are_refused(tmp_path: Path) -> None:
    tiny_vidtok(tmp_path, regularizer="kl")
    with pytest.raises(
        UnsupportedModelError, match=r'regularizer is kl.*supported is AutoencoderVidTok.*"fsq"'
    ):
        load_token_codec(str(tmp_path), None, input_px=INPUT_PX)


def test_a_tokenizer_that_sees_the_future_is_refused(tmp_path: Path) -> None:
    model = AutoencoderVidTok(
        ch=8, ch_mult=[1, 2, 2], z_channels=2, double_z=False, num_res_blocks=1, regularizer="fsq",
        codebook_size=64, is_causal=False,
    )  # fmt: skip
    model.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="is_causal False"):
        load_token_codec(str(tmp_path), None, input_px=INPUT_PX)


def test_another_autoencoder_is_refused(tmp_path: Path) -> None:
    AutoencoderKL(block_out_channels=(32,)).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"AutoencoderKL is no tokenizer.*AutoencoderVidTok"):
        load_token_codec(str(tmp_path), None, input_px=INPUT_PX)


def test_a_picture_that_the_grid_does_not_divide_is_refused(folders: dict[int, Path]) -> None:
    with pytest.raises(UnsupportedModelError, match="input_px is 72, no multiple of 16"):
        load_token_codec(str(folders[16]), None, input_px=72)


@pytest.mark.parametrize("missing", ["config.json", "diffusion_pytorch_model.safetensors"])
def test_a_missing_file_is_an_error_of_one_line(
    folders: dict[int, Path], tmp_path: Path, missing: str
) -> None:
    shutil.copytree(folders[8], tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    with pytest.raises(ModelFilesError, match="model") as error:
        load_token_codec(str(tmp_path / "model"), None, input_px=INPUT_PX)
    assert "\n" not in str(error.value)


def test_the_builder_makes_what_the_public_models_are() -> None:
    assert tiny_vidtok_model(16).temporal_compression_ratio == 4
    assert len(tiny_vidtok_model(16).encoder.spatial_ds) == 4
