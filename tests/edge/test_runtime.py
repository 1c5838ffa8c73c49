"""The runtime: the best that really runs, a reason for every step down, one line about what cannot run."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from structlog.testing import capture_logs

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

from edge.appearance import AppearanceEncoder
from edge.captioner import Captioner
from edge.engine import INDEX, EngineCache, Entry
from edge.engine_build import Order, deliver
from edge.graph import Graph, ModelError, RunError
from edge.pipeline import Pipeline, Settings
from edge.profile import Plan
from edge.runtime import CPU, CUDA, TENSORRT, Runtime
from tests.bundles import SHAPE
from tests.edge.bundles import (
    DECODER,
    ENCODER,
    TOKENS,
    rehash,
    write_running_bundle,
    write_tokenizer_graph,
)
from tests.edge.graphs import KINDS, PICTURE_PX, WORDS, Kind, write_decoder, write_encoder
from tests.edge.workshop import HOST, StandIn, forbid
from wire.bundle import Bundle


def engine_for(bundle: Bundle, folder: Path, provider: str = CPU) -> Entry:
    """Put an engine for the captioner's encoder into a cache."""
    samples = bundle.golden().samples(ENCODER)
    order = Order(ENCODER, bundle.path(ENCODER), Plan("fp32", ()), samples)
    entry = deliver(order, EngineCache(folder), StandIn(), HOST).entry
    index = json.loads((folder / INDEX).read_text())
    index["engines"][entry.key.onnx_sha256]["provider"] = provider
    (folder / INDEX).write_text(json.dumps(index))
    return entry


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(write_running_bundle(tmp_path / "bundle"), "edge")


def test_a_graph_is_opened_on_a_provider_that_exists(tiny: Path) -> None:
    graph = Runtime(threads=1).open(tiny / "sender" / "encoder_model.onnx")
    assert graph.provider in ort.get_available_providers()
    assert list(graph.inputs) == ["pixel_values"]


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_what_is_no_graph_is_an_error_of_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with capture_logs(), pytest.raises(ModelError, match=r"bad\.onnx: cannot be loaded") as caught:
        Runtime().open(tmp_path / "bad.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_graph_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        Runtime().open(tmp_path / "gone.onnx")


def test_a_provider_that_does_not_load_is_passed_over_with_a_reason(tiny: Path, tmp_path: Path) -> None:
    """Here ONNX Runtime is said to have been made for GPUs; their libraries are not there."""
    if {TENSORRT, CUDA} & set(ort.get_available_providers()):
        pytest.skip("this ONNX Runtime was made for GPUs")
    runtime = Runtime(engine_cache=tmp_path, available=(TENSORRT, CUDA, CPU))
    with capture_logs() as logs, pytest.warns(UserWarning, match="is not in available provider names"):
        graph = runtime.open(tiny / "sender" / "encoder_model.onnx")
    assert graph.runs_as == CPU
    assert [note.split(":")[0] for note in graph.notes] == [TENSORRT, CUDA]
    assert "libonnxruntime_providers_cuda.so" in graph.notes[1]
    assert [(each["event"], each["model"]) for each in logs] == [("fell back", "encoder_model.onnx")] * 2


def test_tensorrt_is_not_tried_without_a_place_for_its_engines(tiny: Path) -> None:
    with capture_logs() as logs:
        graph = Runtime(available=(TENSORRT, CPU)).open(tiny / "sender" / "encoder_model.onnx")
    assert (graph.runs_as, graph.notes, logs) == (CPU, (), [])


def test_an_onnx_runtime_without_any_provider_that_is_known_is_an_error(tiny: Path) -> None:
    with pytest.raises(ModelError, match=f"no execution provider of {TENSORRT}, {CUDA}, {CPU}"):
        Runtime(available=("AzureExecutionProvider",)).open(tiny / "sender" / "encoder_model.onnx")


def test_an_engine_of_this_device_comes_first(bundle: Bundle, tmp_path: Path) -> None:
    entry = engine_for(bundle, tmp_path / "engines")
    runtime = Runtime(engine_cache=tmp_path / "engines", host=HOST)
    captioner = Captioner(bundle, runtime)
    assert captioner.graphs[ENCODER].runs_as == "TensorRT engine"
    assert captioner.graphs[ENCODER].path.name == entry.wrapper.name
    assert captioner.graphs[DECODER].runs_as == CPU
    grids = bundle.golden().grids()
    assert [captioner.tokens(grid) for grid in grids] == [Captioner(bundle).tokens(grid) for grid in grids]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("damaged", r"\.engine: engine\.bytes is 0, engines\.json says \d+"),
        ("half-written index", r"engines\.json: Input data was truncated"),
        ("another machine", r"was built for gpu 'Orin', here it is 'Orin Nano'"),
        ("other provider", r"this ONNX Runtime was made without MadeUpExecutionProvider"),
        ("does not run", r"TensorRT engine: .*\.onnx: cannot be loaded"),
    ],
)
def test_an_engine_that_cannot_be_used_is_passed_over_with_a_reason(
    bundle: Bundle, tmp_path: Path, harm: str, reason: str
) -> None:
    folder = tmp_path / "engines"
    entry = engine_for(bundle, folder, "MadeUpExecutionProvider" if harm == "other provider" else CPU)
    host = replace(HOST, gpu="Orin Nano") if harm == "another machine" else HOST
    if harm == "damaged":
        (folder / entry.engine.name).write_bytes(b"")
    if harm == "half-written index":
        (folder / INDEX).write_bytes((folder / INDEX).read_bytes()[:-9])
    if harm == "does not run":
        _replace_wrapper(folder, entry, b"not a graph")
    with capture_logs() as logs:
        graph = Runtime(engine_cache=folder, host=host).open(bundle.path(ENCODER))
    assert graph.runs_as == CPU
    assert graph.path == bundle.path(ENCODER)
    assert len(graph.notes) == len(logs) == 1
    assert re.search(reason, graph.notes[0])


@pytest.mark.parametrize("pattern", ["*.engine", INDEX])
def test_an_engine_that_cannot_be_read_is_passed_over_with_a_reason(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    engine_for(bundle, tmp_path / "engines")
    forbid(monkeypatch, pattern)
    with capture_logs() as logs:
        captioner = Captioner(bundle, Runtime(engine_cache=tmp_path / "engines", host=HOST))
    assert captioner.graphs[ENCODER].runs_as == CPU
    assert re.match(r"TensorRT engine: .*/engines/.*: Permission denied$", captioner.graphs[ENCODER].notes[0])
    assert logs[0]["event"] == "fell back"


def test_an_engine_that_loads_but_does_not_run_is_passed_over(bundle: Bundle, tmp_path: Path) -> None:
    engine_for(bundle, tmp_path / "engines")
    tried = []

    def warm_up(graph: Graph) -> None:
        tried.append(graph.runs_as)
        if graph.runs_as != CPU:
            raise RunError(f"{graph.path}: cannot be run: out of memory")

    with capture_logs():
        graph = Runtime(engine_cache=tmp_path / "engines", host=HOST).open(bundle.path(ENCODER), warm_up)
    assert tried == ["TensorRT engine", CPU]
    assert "out of memory" in graph.notes[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_captioner_runs_in_the_pipeline(tmp_path: Path, kind: Kind) -> None:
    bundle = Bundle.load(write_running_bundle(tmp_path, kind), "edge")
    graphs = Pipeline(bundle, Settings(beams=2)).graphs()
    assert list(graphs) == [ENCODER, DECODER, TOKENS]
    frames = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3)).astype(np.uint8)
    assert Captioner(bundle).describe(frames).startswith("w")


def test_every_graph_has_run_when_it_is_loaded(bundle: Bundle) -> None:
    graphs = Pipeline(bundle).graphs()
    assert all(len(graph.times_ms) >= 1 for graph in graphs.values())


@pytest.mark.parametrize("declared", [PICTURE_PX + 4, "side"])
def test_pictures_of_another_size_than_the_manifest_says_are_refused(
    tmp_path: Path, declared: int | str
) -> None:
    folder = write_running_bundle(tmp_path)
    write_encoder(folder / ENCODER, side=declared)
    text = (folder / "bundle.toml").read_text()
    (folder / "bundle.toml").write_text(text.replace("tile_px = 10", "tile_px = 15"))
    rehash(folder)
    with pytest.raises(ModelError, match=r"captioner/encoder\.onnx: .*") as caught:
        Captioner(Bundle.load(folder, "edge"))
    if declared != "side":
        assert str(caught.value).endswith(
            "input pixel_values is (1, 3, 24, 24), but captioner.tile_px = 15 x 2 tiles makes it "
            "(1, 3, 30, 30)"
        )


def test_an_encoder_that_wants_something_else_is_refused(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path)
    write_tokenizer_graph(folder / ENCODER)
    rehash(folder)
    with pytest.raises(
        ModelError, match=r"encoder\.onnx: has no input pixel_values .*tile_px.*; it has image"
    ):
        Captioner(Bundle.load(folder, "edge"))


def test_a_decoder_without_token_ids_is_refused(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path)
    write_encoder(folder / DECODER)
    rehash(folder)
    with pytest.raises(ModelError, match=r"captioner/decoder\.onnx: has no input_ids, logits"):
        Captioner(Bundle.load(folder, "edge"))


def test_a_decoder_for_other_states_is_refused(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path, "cache")
    write_decoder(folder / DECODER, "image prefix")
    rehash(folder)
    with pytest.raises(
        ModelError, match=r"decoder\.onnx: takes nothing .* gives \(last_hidden_state\): it is"
    ):
        Captioner(Bundle.load(folder, "edge"))


def test_an_end_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = write_running_bundle(tmp_path)
    text = (folder / "bundle.toml").read_text()
    (folder / "bundle.toml").write_text(text.replace("end_token = 2", "end_token = 5000"))
    with pytest.raises(
        ModelError, match=rf"decoder\.onnx: has logits for {WORDS} .*captioner\.end_token is 5000"
    ):
        Captioner(Bundle.load(folder, "edge"))


@pytest.mark.parametrize(
    ("planes", "levels", "message"),
    [
        (SHAPE[0] + 1, 8, r"output tokens is \(1, 5, 4, 4\), but appearance\.planes = 4, appearance\.grid"),
        (SHAPE[0], 40, r"gave tokens .* appearance\.levels make them \(1, 4, 4, 4\) below 8"),
    ],
)
def test_tokens_of_another_grid_or_with_more_levels_are_refused(
    tmp_path: Path, planes: int, levels: int, message: str
) -> None:
    folder = write_running_bundle(tmp_path)
    write_tokenizer_graph(folder / TOKENS, planes, levels)
    rehash(folder)
    white = np.full((32, 32, 3), 255, np.uint8)
    with pytest.raises(ModelError, match=rf"appearance/encoder\.onnx: .*{message}"):
        AppearanceEncoder(Bundle.load(folder, "edge")).encode(white)


def test_feeds_that_do_not_fit_are_an_error_that_names_the_graph(bundle: Bundle) -> None:
    graph = Runtime().open(bundle.path(ENCODER))
    with pytest.raises(RunError, match=r"captioner/encoder\.onnx: cannot be run: .*pixel_values"):
        graph.run({"pixel_values": np.zeros((1, 3, 7, 7), np.float32)})
    with pytest.raises(RunError, match=r"has no input pixels"):
        graph.run({"pixels": np.zeros((1, 3, 7, 7), np.float32)})


def test_results_outlive_the_call_that_gave_them(bundle: Bundle) -> None:
    graph = Runtime().open(bundle.path(ENCODER))
    dark, bright = (np.full((1, 3, PICTURE_PX, PICTURE_PX), shade, np.float32) for shade in (0, 1))
    first = graph.values({"pixel_values": dark})["last_hidden_state"]
    before = np.array(first.numpy())
    second = graph.values({"pixel_values": bright})["last_hidden_state"]
    assert np.array_equal(first.numpy(), before)
    assert not np.array_equal(second.numpy(), before)


def _replace_wrapper(folder: Path, entry: Entry, content: bytes) -> None:
    """Change a wrapper and what the index says of it, as if it had been built so."""
    (folder / entry.wrapper.name).write_bytes(content)
    index = json.loads((folder / INDEX).read_text())
    stored = index["engines"][entry.key.onnx_sha256]["wrapper"]
    stored["bytes"] = len(content)
    stored["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / INDEX).write_text(json.dumps(index))
