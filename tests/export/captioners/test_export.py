"""Captioners of every class, exported: the graphs say what PyTorch says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import DeiTConfig

from edge.decoder import Decoder, Speech
from edge.runtime import Runtime
from edge.vocabulary import Vocabulary
from export.captioners.blip import BlipCaptioner
from export.captioners.captioner import DECODER, DEPTH, ENCODER, Captioner, UnsupportedModelError
from export.captioners.git import GitCaptioner
from export.captioners.load import load_captioner
from export.captioners.vision_encoder_decoder import EncoderDecoderCaptioner
from tests.captioners import INPUT_PX, tiny_blip, tiny_git, tiny_vit_gpt2
from wire.golden import Array

pytestmark = [
    # Graphs are exported through TorchScript, which torch announces the end of in many words.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]
MAX_TOKENS = 24
GRIDS = 24
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "vision-encoder-decoder": tiny_vit_gpt2,
    "git": tiny_git,
    "blip": tiny_blip,
}
Feeds = Mapping[str, Array]
own_cache = pytest.mark.parametrize("exported", ["git", "blip"], indirect=True)


@dataclass(frozen=True)
class Exported:
    """A captioner, and sessions of its graphs."""

    captioner: EncoderDecoderCaptioner | GitCaptioner | BlipCaptioner
    folder: Path
    encoder: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession

    def session(self, name: str) -> onnxruntime.InferenceSession:
        return {ENCODER: self.encoder, DECODER: self.decoder}[name]


@pytest.fixture(scope="module", params=list(BUILDERS))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = BUILDERS[request.param](tmp_path_factory.mktemp(request.param))
    captioner = load_captioner(str(place), None)
    assert captioner.kind == request.param
    assert isinstance(captioner, EncoderDecoderCaptioner | GitCaptioner | BlipCaptioner)
    folder = place / "onnx"
    captioner.export(folder)
    sessions = [
        onnxruntime.InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])
        for name in (ENCODER, DECODER)
    ]
    return Exported(captioner, folder, *sessions)


def pictures(captioner: Captioner, count: int) -> list[Tensor]:
    """Smooth random pictures as the encoder reads them (1, 3, S, S)."""
    torch.manual_seed(1)
    mean, std = (torch.tensor(v)[None, :, None, None] for v in (captioner.mean, captioner.std))
    coarse = torch.rand(count, 3, 6, 6)
    fine = nn.functional.interpolate(coarse, size=(INPUT_PX, INPUT_PX), mode="bicubic").clamp(0, 1)
    return [((picture[None] - mean) / std) for picture in fine]


def run(session: onnxruntime.InferenceSession, feeds: Feeds) -> dict[str, NDArray[np.float32]]:
    wanted = {item.name for item in session.get_inputs()}
    assert wanted == feeds.keys()
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, dict(feeds)), strict=True))


def spoken(exported: Exported, grids: list[Tensor], beams: int = 1) -> list[list[int]]:
    """Caption pictures as the device does, by the exported graphs alone."""
    captioner, runtime = exported.captioner, Runtime()
    encoder = runtime.open(exported.folder / ENCODER)
    speech = Speech(captioner.start_token, captioner.end_token, MAX_TOKENS, beams)
    decoder = Decoder(runtime.open(exported.folder / DECODER), speech, encoder.outputs)
    return [decoder.decode(encoder.values({"pixel_values": pixels.numpy()})) for pixels in grids]


def test_graphs_say_what_pytorch_says(exported: Exported) -> None:
    captioner = exported.captioner
    grids = pictures(captioner, GRIDS)
    expected = [captioner.greedy(pixels, MAX_TOKENS) for pixels in grids]
    assert spoken(exported, grids) == expected
    assert len(set(map(tuple, expected))) > GRIDS // 2  # else agreement would say little
    assert len({len(tokens) for tokens in expected}) > 3
    assert max(map(len, expected)) == MAX_TOKENS  # both ways to end are seen


def test_beams_are_those_of_pytorch(exported: Exported) -> None:
    """Rows of the cache change places and go on from where they were.

    A sentence may differ: `transformers` counts the end among the tokens of a sentence, the device does not.
    """
    captioner = exported.captioner
    grids = pictures(captioner, 12)
    wanted = captioner.generation(MAX_TOKENS)
    wanted.num_beams, wanted.early_stopping = 3, "never"
    expected = [
        captioner.said(
            captioner.model.generate(pixel_values=pixels, generation_config=wanted, use_model_defaults=False)
        )
        for pixels in grids
    ]
    found = spoken(exported, grids, beams=3)
    assert sum(map(list.__eq__, found, expected)) >= len(grids) - 1
    assert found != [captioner.greedy(pixels, MAX_TOKENS) for pixels in grids]


def test_graphs_give_what_the_original_model_gives_at_every_output(exported: Exported) -> None:
    for pixels in pictures(exported.captioner, 3):
        for name, samples in exported.captioner.samples(pixels).items():
            for sample in samples:
                found = run(exported.session(name), sample.feeds)
                assert sample.agreement(found).max_abs_error < 1e-4
                assert sample.agreement(found).cosine > 1 - 1e-9


def test_samples_of_all_pictures_can_be_stacked(exported: Exported) -> None:
    first, second = (exported.captioner.samples(pixels) for pixels in pictures(exported.captioner, 2))
    assert first.keys() == {ENCODER, DECODER}
    for name in first:
        shapes = {
            (key, array.shape)
            for sample in (*first[name], *second[name])
            for key, array in (*sample.feeds.items(), *sample.results.items())
        }
        assert len(shapes) == len({key for key, _ in shapes})
    depths = {
        v.shape[2] for k, v in first[DECODER][-1].feeds.items() if k.endswith(".key") and "encoder" not in k
    }
    assert min(depths) >= DEPTH


def test_a_decoder_continues_many_captions_at_once(exported: Exported) -> None:
    """Beam search runs all beams as one batch."""
    one, other = (
        exported.captioner.samples(pixels)[DECODER][-1] for pixels in pictures(exported.captioner, 2)
    )
    feeds = {
        key: array if key == "use_cache_branch" else np.concatenate([array, other.feeds[key]])
        for key, array in one.feeds.items()
    }
    found = run(exported.decoder, feeds)["logits"]
    for place, sample in enumerate((one, other)):
        np.testing.assert_allclose(found[place : place + 1], np.float32(sample.results["logits"]), atol=1e-4)


def test_every_graph_loads_where_python_3_10_does(exported: Exported) -> None:
    for name in (ENCODER, DECODER):
        graph = onnx.load(exported.folder / name)
        onnx.checker.check_model(graph)
        assert graph.ir_version <= 10
        assert {(opset.domain, opset.version) for opset in graph.opset_import} == {("", 18)}


def test_more_tokens_than_there_are_positions_are_refused(exported: Exported) -> None:
    picture = pictures(exported.captioner, 1)[0]
    assert exported.captioner.positions == 64
    assert len(exported.captioner.greedy(picture, 64)) <= 64
    with pytest.raises(UnsupportedModelError, match=r"max_tokens is 65, but .* can say 64 in a row"):
        exported.captioner.greedy(picture, 65)


def test_another_encoder_and_its_projection_are_exported_too(tmp_path: Path) -> None:
    """The decoder graph turns states of 48 numbers into its own 32."""
    vision = DeiTConfig(
        image_size=INPUT_PX, patch_size=16, hidden_size=48, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=64,
    )  # fmt: skip
    captioner = load_captioner(str(tiny_vit_gpt2(tmp_path, vision=vision)), None)
    captioner.export(tmp_path / "onnx")
    for name, samples in captioner.samples(pictures(captioner, 1)[0]).items():
        session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / name))
        for sample in samples:
            assert sample.agreement(run(session, sample.feeds)).max_abs_error < 1e-4


@own_cache
def test_a_decoder_with_its_own_cache_has_one_path(exported: Exported) -> None:
    graph = onnx.load(exported.folder / DECODER).graph
    assert "If" not in {node.op_type for node in graph.node}
    assert "encoder_hidden_states" not in {item.name for item in graph.input}
    assert {item.name for item in graph.output if ".encoder." in item.name} == set()


@own_cache
def test_what_the_encoder_gives_is_what_the_decoder_takes(exported: Exported) -> None:
    shapes = {item.name: item.shape for item in exported.decoder.get_inputs()}
    for outlet in exported.encoder.get_outputs():
        batch, heads, length, size = outlet.shape
        taken = shapes[outlet.name.replace("present", "past_key_values")]
        assert (batch, heads, size) == ("batch", taken[1], taken[3])
        assert length == (INPUT_PX // 16) ** 2 + 1  # patches and the class token


def test_what_is_said_can_be_read_on_the_device(exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(exported.captioner.tokenizer_json, "utf-8")
    vocabulary = Vocabulary.from_file(path)
    texts = {
        vocabulary.decode(exported.captioner.greedy(pixels, MAX_TOKENS))
        for pixels in pictures(exported.captioner, 8)
    }
    assert len(texts) > 4
    assert not any("[SEP]" in text or "<|endoftext|>" in text for text in texts)


def test_traits_are_those_of_the_model(exported: Exported) -> None:
    captioner = exported.captioner
    assert captioner.input_px == INPUT_PX
    assert 50_000 < captioner.parameters < 120_000
    clip = captioner.kind in ("git", "blip")
    assert captioner.mean == pytest.approx((0.481, 0.458, 0.408) if clip else (0.5,) * 3, abs=1e-3)
    assert captioner.std == pytest.approx((0.269, 0.261, 0.276) if clip else (0.5,) * 3, abs=1e-3)


@own_cache
def test_a_decoder_of_several_tokens_looks_back_only(exported: Exported) -> None:
    """Logits of a token do not depend on those behind it."""
    feeds = dict(exported.captioner.samples(pictures(exported.captioner, 1)[0])[DECODER][0].feeds)
    place = int(feeds["position_ids"].item())
    token = int(feeds["input_ids"].item())
    rows = []
    for last in (5, 6):
        both = {"input_ids": np.array([[token, last]]), "position_ids": np.array([[place, place + 1]])}
        rows.append(run(exported.decoder, feeds | both)["logits"])
    alone = run(exported.decoder, feeds)["logits"]
    for row in rows:
        np.testing.assert_allclose(row[:, :1], alone, atol=1e-4)
    assert np.abs(rows[0][:, 1:] - rows[1][:, 1:]).max() > 1e-3
