"""Token grids become pictures."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import structlog
from onnx import TensorProto, helper

from cloud.render.keyframes import KeyframeDecoder
from cloud.render.renderer import RenderError
from wire.bundle import Bundle, BundleError
from wire.neighbours import UNKNOWN


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "cloud")


@pytest.fixture(scope="module")
def decoder(bundle: Bundle) -> KeyframeDecoder:
    return KeyframeDecoder(bundle, threads=1)


def with_decoder(bundle: Bundle, name: str | None) -> Bundle:
    renderer = msgspec.structs.replace(bundle.manifest.renderer, decoder=name)
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, renderer=renderer))


def test_a_grid_becomes_a_picture(bundle: Bundle, decoder: KeyframeDecoder) -> None:
    info = bundle.manifest.appearance
    assert info is not None
    tokens = np.zeros((info.planes, *info.grid), np.uint8)
    picture = decoder.decode(tokens)
    assert picture.dtype == np.uint8
    assert picture.shape == (256, 256, 3)
    assert not np.array_equal(picture, decoder.decode(tokens + np.uint8(info.levels - 1)))


def test_what_is_not_known_is_as_if_nothing_was_sent(bundle: Bundle, decoder: KeyframeDecoder) -> None:
    info = bundle.manifest.appearance
    assert info is not None
    unknown = np.full((info.planes, *info.grid), UNKNOWN, np.uint8)
    assert np.array_equal(decoder.decode(unknown), decoder.decode(None))


def test_a_grid_of_another_size_is_refused(decoder: KeyframeDecoder) -> None:
    with pytest.raises(RenderError, match="tokens have shape"):
        decoder.decode(np.zeros((4, 3, 3), np.uint8))


def test_a_bundle_without_a_decoder_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="a decoder under"):
        KeyframeDecoder(with_decoder(bundle, None), threads=1)


def test_a_graph_that_is_no_decoder_is_refused(bundle: Bundle) -> None:
    other = bundle.manifest.renderer.denoiser
    with pytest.raises(BundleError, match=r"needs a graph that turns 'code' into 'image'"):
        KeyframeDecoder(with_decoder(bundle, other), threads=1)


@pytest.fixture
def copied(bundle: Bundle, tmp_path: Path) -> Bundle:
    """Copy the bundle, to spoil it."""
    shutil.copytree(bundle.root, tmp_path / "tiny")
    return Bundle.load(tmp_path / "tiny", "cloud")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b"no graph"), id="no graph"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1000]), id="cut off"),
        pytest.param(lambda path: path.unlink(), id="gone"),
    ],
)
def test_a_decoder_that_cannot_be_loaded_is_one_clear_line(
    copied: Bundle, spoil: Callable[[Path], object]
) -> None:
    name = copied.manifest.renderer.decoder
    assert name is not None
    spoil(copied.path(name))
    with pytest.raises(BundleError, match=rf"{name}: ONNX Runtime cannot load it: ") as caught:
        KeyframeDecoder(copied, threads=1)
    assert "\n" not in str(caught.value)


def test_a_decoder_of_another_grid_is_refused(bundle: Bundle) -> None:
    info = bundle.manifest.appearance
    assert info is not None
    smaller = msgspec.structs.replace(info, grid=(4, 4))
    other = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, appearance=smaller))
    with pytest.raises(BundleError, match=r"code is \(any, 24, 8, 8\), but .*grid makes it .*, 4, 4\)"):
        KeyframeDecoder(other, threads=1)


def test_a_decoder_that_fails_is_a_render_error(copied: Bundle) -> None:
    """It divides the picture among as many parts as no picture has."""
    name = copied.manifest.renderer.decoder
    assert name is not None
    save_failing(copied.path(name), (24, 8, 8))
    with pytest.raises(RenderError, match=rf"{name}: cannot be run: "):
        KeyframeDecoder(copied, threads=1).decode(None)


def save_failing(path: Path, shape: tuple[int, int, int]) -> None:
    """Save a decoder that ONNX Runtime loads, and fails to run."""
    code = helper.make_tensor_value_info("code", TensorProto.FLOAT, ["batch", *shape])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    wanted = helper.make_tensor("wanted", TensorProto.INT64, [4], [1, 3, 7, 7])
    node = helper.make_node("Reshape", ["code", "wanted"], ["image"])
    graph = helper.make_graph([node], "decoder", [code], [image], [wanted])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def test_a_gpu_that_cannot_be_used_is_told_of_on_the_log_and_not_on_stdout(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The provider is offered, but its library is not here."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime can use a GPU")
    known = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    work = onnxruntime.InferenceSession

    def open_session(*args: object, **named: object) -> onnxruntime.InferenceSession:
        if named["providers"] == known:
            assert named["enable_fallback"] == 0, "else it prints and tries again"
            raise RuntimeError("libcudart.so: cannot open shared object file")
        return work(*args, **named)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    with structlog.testing.capture_logs() as logs:
        decoder = KeyframeDecoder(bundle, threads=1, gpu=True)
    assert decoder.decode(None).shape == (256, 256, 3)
    assert capfd.readouterr().out == ""
    assert [entry["event"] for entry in logs] == ["a graph runs on the CPU"]
